"""Trains a GAN: `python -m gan.train --preset=NAME --run_dir=DIR`."""

from harness import program

if __name__ == "__main__":
    program.handle_signals()  # before the imports that take a while

from absl import flags

from gan.config import Config
from gan.presets import PRESETS
from harness import training

USAGE = """
Trains a GAN, measures its samples and writes everything to a directory.

  python -m gan.train --preset=quickstart --run_dir=runs/quickstart
  python -m gan.train --preset=cifar10_dcgan --data_dir=DATA_DIR --norm=zca --run_dir=runs/zca

The same command again goes on from the last checkpoint; with more --steps a complete run goes on.
--init_from=RUN starts another run with the weights of one. A flag that is left out is as the preset
says; --dry_run shows what that is.
"""


def define_flags():
    """The flags of this program."""
    training.define_flags(Config, PRESETS)


def main():
    """Reads the flags and trains."""
    config = training.chosen_config(PRESETS)
    program.load_tensorflow()
    from gan.run import Run

    if flags.FLAGS.dry_run:
        Run(config).describe()
    else:
        Run(config, flags.FLAGS.run_dir).train(lengthen=True)


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
