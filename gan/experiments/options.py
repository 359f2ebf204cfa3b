"""What the flags of `gan.experiment` say, and the names in them."""

import collections.abc
import dataclasses

from tfnorm.functional import WHITENERS
from tfnorm.layers.by_name import NORMS
from tfnorm.training.program import UserError


@dataclasses.dataclass(frozen=True)
class Options:
    """What was asked for; None, or no change: as the experiment has it.

    Attributes:
        scale: one of `experiments.SCALES`.
        loss: name of the adversarial loss.
        norms, recoveries, estimates, settings, archs: sequences of names.
        rounds: turns that each call gets that is timed.
        override: function from a configuration to the one with the flags' values in it.
    """

    scale: str = "paper"
    loss: str | None = None
    norms: collections.abc.Sequence | None = None
    recoveries: collections.abc.Sequence | None = None
    estimates: collections.abc.Sequence | None = None
    settings: collections.abc.Sequence | None = None
    archs: collections.abc.Sequence | None = None
    rounds: int | None = None
    override: collections.abc.Callable = lambda config: config


def whitening(name):
    """The fields of a configuration that a norm's name stands for: "zca-64" is ZCA in groups of 64.

    Without a group size, as "bn" or "zca", all channels of a layer are one group.
    """
    norm, dash, size = name.partition("-")
    grouped = size.isdecimal() and int(size) > 0 and norm in WHITENERS
    if norm not in NORMS or (dash and not grouped):
        raise UserError(
            f"--norms are of {', '.join(NORMS)}, and {', '.join(WHITENERS)} may have a group size, "
            f"as zca-64. Received: {name}"
        )
    return {"norm": norm, "group_size": int(size) if dash else None}


def norm_name(config):
    """The name that `whitening` takes for the norm of a configuration."""
    return config.norm if config.group_size is None else f"{config.norm}-{config.group_size}"
