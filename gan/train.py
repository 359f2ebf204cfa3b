"""Trains a GAN: `python -m gan.train --preset=NAME --run_dir=DIR`."""

from absl import flags

from gan import networks, presets, run
from gan.losses import LOSSES
from gan.penalties import PENALTIES
from harness import program
from harness.errors import UserError
from harness.norms import NORMS, RECOVERIES
from harness.run.directory import RunDirectory
from harness.run.strategies import STRATEGIES, is_chief, make_strategy
from tfnorm.layers.batch_whitening import ESTIMATES

USAGE = """
Trains a GAN, measures its samples and writes everything to a directory.

  python -m gan.train --preset=quickstart --run_dir=runs/quickstart
  python -m gan.train --preset=cifar10_dcgan --data_dir=DATA_DIR --norm=zca --run_dir=runs/zca

The same command again goes on from the last checkpoint. A flag that is left out is as the preset
says; --dry_run shows what that is.
"""

CHOICES = {
    "arch": list(networks.ARCHITECTURES),
    "variant": networks.VARIANTS,
    "norm": list(NORMS),
    "recovery": list(RECOVERIES),
    "estimate": ESTIMATES,
    "device": ["cpu", "gpu"],
    "loss": list(LOSSES),
    "gradient_penalty": list(PENALTIES),
    "conditional": list(networks.CONDITIONALS),
    "discriminator_norm": list(NORMS),
    "strategy": list(STRATEGIES),
}


def define_flags():
    """The flags of this program."""
    program.define_flag(
        "preset", str, "Run", "Configuration to start from; required.", list(presets.PRESETS)
    )
    program.define_flag("run_dir", str, "Run", "Directory of the run, its own; required.")
    program.define_flags(presets.Config, CHOICES)
    program.define_flag(
        "dry_run", bool, "Run", "Show the configuration and the networks, and stop."
    )


def main():
    """Reads the flags and trains."""
    given = flags.FLAGS
    if given.preset is None:
        raise UserError(f"--preset is required: one of {program.some(presets.PRESETS)}.")
    if given.run_dir is None and not given.dry_run:
        raise UserError("--run_dir is required: the directory that the run writes to.")
    try:
        config = program.override(presets.PRESETS[given.preset])
        strategy = make_strategy(config.strategy)
    except ValueError as error:
        raise UserError(str(error)) from error
    if given.dry_run:
        run.show(config, run.make_trainer(config, strategy))
    else:
        run.train(config, strategy, RunDirectory(given.run_dir, writes=is_chief(strategy)))


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
