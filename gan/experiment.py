"""Reproduces a table or figure of the paper: `python -m gan.experiment --name=NAME --out=DIR`."""

import dataclasses

from absl import flags

from gan import presets, train
from gan.experiments import EXPERIMENTS, cost, stability, trained
from gan.experiments.options import Options
from tfnorm.training import experiments, program
from tfnorm.training.program import UserError

USAGE = """
Reproduces a table or figure of "An Investigation into the Stochasticity of Batch Whitening".

  stability  every normalization over 15 settings of the optimizer: tables II and III, figures II-IV
  large      larger networks: section C.2.2
  cost       seconds per generator pass and per training step: table VI, figure VI

  python -m gan.experiment --name=stability --out=runs/stability --data_dir=DATA_DIR --dry_run
  python -m gan.experiment --name=stability --scale=small --out=runs/small --data_dir=DATA_DIR \\
      --features=FEATURES_DIR --norms=bn,zca-16,itn --settings=2e-4

--scale=small is MNIST, 32 filters and 800 steps of 32 images, about a minute a run on two cores;
flags override it. For stability it is bn, cd, zca-16 and itn, by the moving covariance.

The runs are done one after another, each in DIR/runs/NAME. The same command again goes on, and does
not repeat what is complete or has diverged; a diverged run is tried again if its diverged.json is
deleted. When all runs are there, DIR has table.md, the same as CSV, and figure.png; then the same
command only draws them again. Several machines with one DIR do shares, --shard=1/3 to --shard=3/3.
"""

# Lists, comma-separated: their help.
LISTS = {
    "norms": "Normalizations, as bn,cd,itn, and in groups of so many channels as zca-64.",
    "recoveries": f"Of {', '.join(stability.RECOVERIES)}.",
    "estimates": f"Of {', '.join(stability.ESTIMATES)}: what the moving average follows.",
    "settings": "Learning rates, letters or both of Table II: 2e-4, A or 2e-4:A.",
    "archs": f"Architectures, of {', '.join(cost.ARCHS)}.",
}
# Fields of a configuration in which a run may differ from the paper's and be of its size.
UNSEEN = (*presets.FREE, "seed", "strategy", "deterministic")
CHOICES = train.CHOICES | {"loss": stability.LOSSES, "strategy": ["default", "mirrored"]}


def define_flags():
    """The flags of this program."""
    what = "What"
    program.define_flag("name", str, what, "Experiment; required.", list(EXPERIMENTS))
    program.define_flag("out", str, what, "Directory of the experiment, its own; required.")
    program.define_flag(
        "scale", str, what, "The paper's size, or a reduced one; paper.", experiments.SCALES
    )
    for name, help in LISTS.items():
        program.define_flag(name, str, what, f"Comma-separated. {help} Left out: the paper's.")
    program.define_flag("rounds", int, what, "Turns that each call gets that is timed.")
    program.define_flag("shard", str, what, "i/n: do the i-th of n shares of the runs.")
    program.define_flag("dry_run", bool, what, "List the runs, one a line, and stop.")
    program.define_flags(presets.Config, CHOICES, only=("loss", *trained.FLAGS))


def main():
    """Reads the flags, and does what is left to do of the experiment."""
    given = flags.FLAGS
    if given.name is None:
        raise UserError(f"--name is required: one of {', '.join(EXPERIMENTS)}.")
    if given.out is None and not given.dry_run:
        raise UserError("--out is required: the directory of the experiment.")
    experiment = EXPERIMENTS[given.name]
    options = _options(experiment)
    same = dataclasses.replace(options, scale="paper", rounds=None, override=lambda config: config)
    experiments.perform(
        experiment,
        options,
        [same, Options(loss=options.loss)],
        experiments.Given(
            given.name, given.out, given.shard, given.dry_run, "python -m gan.experiment"
        ),
        UNSEEN,
    )


def _options(experiment):
    """What the flags say; raises `UserError` at one that the experiment does not take."""
    given = flags.FLAGS
    for name in (*LISTS, "rounds", "loss", *trained.FLAGS):
        if getattr(given, name) is not None and name not in experiment.FLAGS:
            raise UserError(
                f"--{name} is not a flag of {given.name}, which takes "
                f"{', '.join(experiment.FLAGS)}."
            )
    lists = {name: getattr(given, name) for name in LISTS}
    fields = [name for name in trained.FLAGS if name in experiment.FLAGS]
    return Options(
        scale=given.scale or experiments.SCALES[0],
        loss=given.loss,
        rounds=given.rounds,
        override=lambda config: program.override(config, fields),
        **{name: text and text.split(",") for name, text in lists.items()},
    )


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
