"""Trains a classifier: `python -m classify.train --preset=NAME --run_dir=DIR`."""

from harness import program

if __name__ == "__main__":
    program.handle_signals()  # before the imports that take a while

from absl import flags

from classify.config import Config
from classify.presets import PRESETS
from harness import training

USAGE = """
Trains a classifier, measures it and writes everything to a directory.

  python -m classify.train --preset=quickstart --run_dir=runs/digits
  python -m classify.train --preset=cifar10_vgg19_itn_g64 --data_dir=DATA_DIR --run_dir=runs/vgg

The same command again goes on from the last checkpoint; with more --steps or --epochs a complete
run goes on. --init_from=RUN starts with the best network of another run, which may be of other
classes, and --freeze keeps a part of it as it is. A flag that is left out is as the preset says;
--dry_run shows what that is.
"""


def define_flags():
    """The flags of this program."""
    training.define_flags(Config, PRESETS)


def main():
    """Reads the flags and trains."""
    config = training.chosen_config(PRESETS, near="cifar10_resnet")
    program.load_tensorflow()
    from classify.run import Run

    if flags.FLAGS.dry_run:
        Run(config).describe()
    else:
        Run(config, flags.FLAGS.run_dir).train(lengthen=True)


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
