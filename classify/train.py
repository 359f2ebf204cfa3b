"""Trains a classifier: `python -m classify.train --preset=NAME --run_dir=DIR`."""

from absl import flags

from classify import config as configs
from classify import models, parts, run
from classify.augmentations import AUGMENTATIONS
from classify.networks import MODELS
from classify.presets import PRESETS
from classify.scalings import SCALINGS
from classify.schedules import SCHEDULES
from classify.trainer import DECAYED
from harness import program
from harness.errors import UserError
from harness.norms import NORMS
from harness.run.directory import RunDirectory
from harness.run.strategies import STRATEGIES, is_chief, make_strategy
from tfnorm.layers.batch_whitening import ESTIMATES

USAGE = """
Trains a classifier, measures it and writes everything to a directory.

  python -m classify.train --preset=quickstart --run_dir=runs/digits
  python -m classify.train --preset=cifar10_vgg19_itn_g64 --data_dir=DATA_DIR --run_dir=runs/vgg

The same command again goes on from the last checkpoint. A flag that is left out is as the preset
says; --dry_run shows what that is.
"""

CHOICES = {
    "input_scaling": list(SCALINGS),
    "augmentation": list(AUGMENTATIONS),
    "model": list(MODELS),
    "variant": list(dict.fromkeys(name for names in models.VARIANTS.values() for name in names)),
    "norm": list(NORMS),
    "recovery": list(models.RECOVERIES),
    "estimate": ESTIMATES,
    "device": ["cpu", "gpu"],
    "schedule": list(SCHEDULES),
    "decayed": DECAYED,
    "strategy": list(STRATEGIES),
}


def define_flags():
    """The flags of this program."""
    program.define_flag(
        "preset", str, "Run", "Configuration to start from; required.", list(PRESETS)
    )
    program.define_flag("run_dir", str, "Run", "Directory of the run, its own; required.")
    program.define_flags(configs.Config, CHOICES)
    program.define_flag("dry_run", bool, "Run", "Show the configuration and the network, and stop.")


def main():
    """Reads the flags and trains."""
    given = flags.FLAGS
    if given.preset is None:
        raise UserError(f"--preset is required: one of {program.some(PRESETS, 'cifar10_resnet')}.")
    if given.run_dir is None and not given.dry_run:
        raise UserError("--run_dir is required: the directory that the run writes to.")
    try:
        config = program.override(PRESETS[given.preset])
        strategy = make_strategy(config.strategy)
    except ValueError as error:
        raise UserError(str(error)) from error
    if given.dry_run:
        run.show(parts.describe_network(config, strategy))
    else:
        run.train(config, strategy, RunDirectory(given.run_dir, writes=is_chief(strategy)))


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
