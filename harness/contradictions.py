"""Flags that cannot be meant together: one of them does nothing with what another says."""

import typing

from harness import norm_names
from harness.config import Check
from harness.errors import UserError


class Needs(typing.NamedTuple):
    """What a flag needs to do anything.

    Attributes:
        flag: its name.
        fields: fields of a configuration, one of which must have one of the values.
        values: function to these values, or to the `Check` that one of the fields must pass.
        neutral: what the flag may be given as without them.
    """

    flag: str
    fields: tuple[str, ...]
    values: typing.Callable[[], typing.Sequence]
    neutral: tuple = ()


def _decomposed():
    """Norms that a device can be chosen for."""
    return "pca", "zca"


def _averaged():
    """Norms of which a moving average is kept, of statistics of batches."""
    return ("bn", "unitization", *norm_names.whitenings())


# Stands for a program's fields that are norms.
NORMS = ("norms",)

# Of the fields that both programs have. Only --norm's layers infer: a discriminator does not.
SHARED = (
    Needs("group_size", NORMS, norm_names.grouped, neutral=(None,)),
    Needs("iterations", NORMS, lambda: ("itn", "gw")),
    Needs("estimate", ("norm",), norm_names.whitenings, neutral=("covariance",)),
    Needs("alpha_constraint", NORMS, lambda: ("unitization",), neutral=(None,)),
    Needs("device", NORMS, _decomposed, neutral=(None,)),
    Needs("norm_momentum", NORMS, _averaged),
    Needs("synchronized", NORMS, _averaged, neutral=(False,)),
    Needs("epsilon", NORMS, lambda: [name for name in norm_names.norms() if name != "none"]),
    Needs("worker_timeout", ("strategy",), lambda: ("multi_worker",)),
)


def check(config, given, needs, norms=("norm",)):
    """Raises `UserError` at a flag that was given and does nothing.

    Args:
        config: a configuration, with the flags in it.
        given: names of the flags that were given.
        needs: a list of `Needs`.
        norms: the fields that are norms.
    """
    for flag, fields, values, neutral in needs:
        if flag not in given or getattr(config, flag) in neutral:
            continue
        fields = norms if fields == NORMS else fields
        needed = _rule(values())
        if not any(needed.passes(getattr(config, field)) for field in fields):
            rule = " or ".join(f"--{field}{needed.rule}" for field in fields)
            there = ", ".join(f"{name}={getattr(config, name)}" for name in (flag, *fields))
            raise UserError(
                f"--{flag} must come with {rule}: else it changes nothing. Received: {there}"
            )


def _rule(values):
    """What a field must pass, its words as they follow the field's name."""
    if isinstance(values, Check):
        return values._replace(rule=f" {values.rule}")
    texts = "|".join("none" if value is None else value for value in values)
    return Check(f"={texts}", lambda value: value in values)
