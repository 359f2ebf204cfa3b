"""What the programs that train share: their flags, and what these come to."""

from absl import flags as absl_flags

from harness import flags
from harness.errors import UserError


def define_flags(config_class, presets):
    """Defines the flags of a program that trains.

    Args:
        config_class: its `Config`.
        presets: configurations to start from, a dict by name.
    """
    flags.define_flag(
        "preset", str, "Start", "Configuration to start from; required.", list(presets)
    )
    flags.define_flag("run_dir", str, "Start", "Directory of the run, its own; required.")
    flags.define_flags(config_class)
    flags.define_flag(
        "dry_run", bool, "Start", "Show the configuration and the networks, and stop."
    )


def chosen_config(presets, near=""):
    """The configuration that the flags come to.

    Args:
        presets: as in `define_flags`.
        near: the beginning of presets to name where none is given.

    Raises:
        UserError: a flag is missing, or a value is not what it must be.
    """
    given = absl_flags.FLAGS
    if given.preset is None:
        raise UserError(f"--preset is required: one of {flags.some(presets, near)}.")
    if given.run_dir is None and not given.dry_run:
        raise UserError("--run_dir is required: the directory that the run writes to.")
    return flags.override(presets[given.preset])
