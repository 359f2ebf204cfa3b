"""Reproduces a table or figure of the paper: `python -m gan.experiment --name=NAME --out=DIR`."""

import dataclasses

from gan import presets, train
from gan.experiments import EXPERIMENTS, cost, stability, trained
from gan.experiments.options import Options
from harness import program
from harness.experiments import flags as experiment_flags
from harness.experiments import perform

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
NUMBERS = {"rounds": "Turns that each call gets that is timed."}
# Fields of a configuration in which a run may differ from the paper's and be of its size.
UNSEEN = (*presets.FREE, "seed", "strategy", "deterministic")
CHOICES = train.CHOICES | {"loss": stability.LOSSES, "strategy": ["default", "mirrored"]}


def define_flags():
    """The flags of this program."""
    experiment_flags.define(EXPERIMENTS, LISTS, NUMBERS)
    program.define_flags(presets.Config, CHOICES, only=("loss", *trained.FLAGS))


def main():
    """Reads the flags, and does what is left to do of the experiment."""
    experiment = experiment_flags.chosen(EXPERIMENTS)
    found = experiment_flags.options(experiment, LISTS, NUMBERS, ["loss"], trained.FLAGS)
    options = Options(**found)
    same = dataclasses.replace(options, scale="paper", rounds=None, override=lambda config: config)
    perform.perform(
        experiment,
        options,
        [same, Options(loss=options.loss)],
        experiment_flags.given("python -m gan.experiment"),
        UNSEEN,
    )


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
