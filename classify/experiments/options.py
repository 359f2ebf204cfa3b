"""What the flags of `classify.experiment` say."""

import collections.abc
import dataclasses


@dataclasses.dataclass(frozen=True)
class Options:
    """What was asked for; None, or no change: as the experiment has it.

    Attributes:
        scale: one of `experiments.SCALES`.
        norms, estimates, repeated, archs, sweeps, datasets, schedules: sequences of names.
        widths, batch_sizes, rates: sequences of numbers, as text.
        seeds: number of seeds.
        rounds: turns that each call gets that is timed.
        run_dir: directory of a run of `classify.train`.
        override: function from a configuration to the one with the flags' values in it.
    """

    scale: str = "paper"
    norms: collections.abc.Sequence | None = None
    estimates: collections.abc.Sequence | None = None
    repeated: collections.abc.Sequence | None = None
    archs: collections.abc.Sequence | None = None
    sweeps: collections.abc.Sequence | None = None
    datasets: collections.abc.Sequence | None = None
    schedules: collections.abc.Sequence | None = None
    widths: collections.abc.Sequence | None = None
    batch_sizes: collections.abc.Sequence | None = None
    rates: collections.abc.Sequence | None = None
    seeds: int | None = None
    rounds: int | None = None
    run_dir: str | None = None
    override: collections.abc.Callable = lambda config: config
