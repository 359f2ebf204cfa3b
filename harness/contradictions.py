"""Flags that cannot be meant together: one of them does nothing with what another says."""

from harness import norm_names
from harness.config import NORMS, Check, Needs
from harness.errors import UserError


def _decomposed():
    """Norms that a device can be chosen for."""
    return "pca", "zca"


def _averaged():
    """Norms of which a moving average is kept, of statistics of batches."""
    return ("bn", "unitization", *norm_names.whitenings())


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


def check(config, given):
    """Raises `UserError` at a flag that was given and does nothing.

    Args:
        config: a `Configuration`, with the flags in it.
        given: names of the flags that were given.
    """
    for flag in given:
        needed = unmet(config, flag)
        if needed:
            rule = " or ".join(f"--{field}{check.rule}" for field, check in needed.items())
            there = ", ".join(f"{name}={getattr(config, name)}" for name in (flag, *needed))
            raise UserError(
                f"--{flag} must come with {rule}: else it changes nothing. Received: {there}"
            )


def check_all(configs, given):
    """Raises `UserError` at a flag that was given and does nothing in any of several runs.

    Args:
        configs: their configurations.
        given: names of the flags that were given.
    """
    for flag in given:
        having = [config for config in configs if hasattr(config, flag)]
        needs = [unmet(config, flag) for config in having]
        if not all(needs):
            continue
        needed = {field: check for need in needs for field, check in need.items()}
        if needed:
            rule = " or ".join(f"{field}{check.rule}" for field, check in needed.items())
            there = dict.fromkeys(
                f"{field}={getattr(config, field)}" for field in needed for config in having
            )
            raise UserError(
                f"--{flag} must come with a run of {rule}: else it changes nothing. Received: "
                f"{flag}={getattr(having[0], flag)}, and runs of {', '.join(there)}"
            )


def unmet(config, flag):
    """What a flag needs that is not so: a dict of `Check`s by fields, one of which must pass."""
    for name, fields, values, neutral in (*SHARED, *config.NEEDS):
        if name != flag or getattr(config, flag) in neutral:
            continue
        needed = dict.fromkeys(config.NORMS if fields == NORMS else fields, _rule(values()))
        if not any(check.passes(getattr(config, field)) for field, check in needed.items()):
            return needed
    return {}


def _rule(values):
    """What a field must pass, its words as they follow the field's name."""
    if isinstance(values, Check):
        return values._replace(rule=f" {values.rule}")
    texts = "|".join("none" if value is None else value for value in values)
    return Check(f"={texts}", lambda value: value in values)
