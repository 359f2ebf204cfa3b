"""Reproduces a table or figure: `python -m classify.experiment --name=NAME --out=DIR`."""

from harness import program

if __name__ == "__main__":
    program.handle_signals()  # before the imports that take a while

from classify.config import Config
from classify.experiments import EXPERIMENTS
from harness.experiments import flags
from harness.experiments.flags import summaries
from harness.experiments.perform import perform

USAGE = f"""
Reproduces a table or figure of the two papers' supplements.

{summaries(EXPERIMENTS)}

  python -m classify.experiment --name=micro_batch --out=runs/micro --data_dir=DATA_DIR --dry_run
  python -m classify.experiment --name=micro_batch --scale=small --out=runs/micro \\
      --data_dir=DATA_DIR --repeated=bn,unitization
  python -m classify.experiment --name=time --scale=small --out=runs/time --archs=resnet110
  python -m classify.experiment --name=covariate_shift --scale=small --out=runs/shift \\
      --data_dir=DATA_DIR --datasets=cifar10
  python -m classify.experiment --name=disturbance --scale=small --out=runs/disturbance \\
      --run_dir=RUN_DIR --sweeps=layers

covariate_shift trains, and measures every epoch; with --run_dir it measures the checkpoints of a
run of classify.train, if that has kept one of each epoch (--keep_checkpoints, --checkpoint_every).
time needs no data, and the machine to itself: some ten minutes for all networks of the small scale.
disturbance trains nothing: its sweeps over sizes are of random numbers, some six minutes for all of
the small scale and two hours for the paper's; the sweep layers is of the best network of a run of
classify.train and its training images.

The runs are done one after another, each in DIR/runs/NAME. The same command again goes on, and does
not repeat what is complete or has diverged; a diverged run is tried again if its diverged.json is
deleted. When all runs are there, DIR has table.md, the same as CSV, and figures; then the same
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
    perform(request, flags.given("python -m classify.experiment"), UNSEEN)


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
