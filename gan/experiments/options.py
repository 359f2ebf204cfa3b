"""What the flags of `gan.experiment` say."""

import collections.abc
import dataclasses


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
