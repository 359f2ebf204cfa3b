"""Reproduces a table or figure of the paper: `python -m gan.experiment --name=NAME --out=DIR`."""

from harness import program

if __name__ == "__main__":
    program.handle_signals()  # before the imports that take a while

from gan.config import Config
from gan.experiments import EXPERIMENTS
from harness.experiments import flags
from harness.experiments.flags import summaries
from harness.experiments.perform import perform

USAGE = f"""
Reproduces a table or figure of "An Investigation into the Stochasticity of Batch Whitening".

{summaries(EXPERIMENTS)}

  python -m gan.experiment --name=stability --out=runs/stability --data_dir=DATA_DIR --dry_run
  python -m gan.experiment --name=stability --scale=small --out=runs/small --data_dir=DATA_DIR \\
      --features=FEATURES_DIR --norms=bn,zca-16,itn --settings=2e-4
  python -m gan.experiment --name=gain --out=runs/gain --data_dir=DATA_DIR --features=FEATURES_DIR

--scale=small is MNIST, 32 filters and 800 steps of 32 images, about a minute a run on two cores;
flags override it. For stability it is bn, cd, zca-16 and itn, by the moving covariance.

The runs are done one after another, each in DIR/runs/NAME. The same command again goes on, and does
not repeat what is complete or has diverged; a diverged run is tried again if its diverged.json is
deleted. When all runs are there, DIR has table.md, the same as CSV, and figure.png; then the same
command only draws them again. Several machines with one DIR do shares, --shard=1/3 to --shard=3/3.
"""

# Fields of a configuration in which a job may differ from the paper's and be of its size.
UNSEEN = (*Config.free(), "seed", "strategy", "deterministic")


def define_flags():
    """The flags of this program."""
    flags.define(EXPERIMENTS, Config, {"strategy": ["default", "mirrored"]})


def main():
    """Reads the flags, and does what is left to do of the experiment."""
    request = flags.chosen_request(EXPERIMENTS)
    perform(request, flags.given("python -m gan.experiment"), UNSEEN)


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
