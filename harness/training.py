"""What the programs that train share: their flags, and what these come to."""

import pathlib

from absl import flags as absl_flags

from harness import contradictions, flags, help_page
from harness.errors import UserError
from harness.outputs import check_directory
from harness.run.configuration import COPY, NAME


def define_flags(config_class, presets):
    """Defines the flags of a program that trains.

    Args:
        config_class: its `Config`.
        presets: configurations to start from, a dict by name.
    """
    flags.define_flag(
        "preset",
        str,
        "Start",
        "Configuration to start from, by its name; the other flags change it. Required.",
        list(presets),
    )
    flags.define_flag(
        "run_dir",
        str,
        "Start",
        "Directory of the run, new or that of the same run, which then goes on. Required.",
    )
    flags.define_flags(config_class, defaults=presets.values())
    for named in _named(presets, config_class()):
        help_page.add(help_page.PRESETS, named)
    flags.define_flag(
        "dry_run",
        bool,
        "Start",
        "Show the configuration and the networks, and stop.",
        default="false",
    )


def _named(presets, default):
    """What `--help` tells of presets: the flags in which they differ from a configuration.

    Those of one family, whose names begin with the same two words, are told of together.
    """
    families = {}
    for name, config in presets.items():
        differ = [
            f"--{field.name}={flags.shown(getattr(config, field.name))}"
            for field in config.options()
            if getattr(config, field.name) != getattr(default, field.name)
        ]
        families.setdefault("_".join(name.split("_")[:2]), {})[name] = differ
    told = []
    for family, members in families.items():
        if len(members) == 1:
            told += [help_page.Named(name, differ) for name, differ in members.items()]
            continue
        alike = set.intersection(*map(set, members.values()))
        first = next(iter(members.values()))
        told.append(help_page.Named(f"{family}_*", [flag for flag in first if flag in alike]))
        told += [
            help_page.Named(name, [flag for flag in differ if flag not in alike], inside=True)
            for name, differ in members.items()
        ]
    return told


def _has_run(folder):
    return any((pathlib.Path(folder) / name).exists() for name in (NAME, COPY))


def _check_source(run_dir):
    """Raises `UserError` if there is no run in a directory, or None, to take weights from."""
    if run_dir is not None and not _has_run(run_dir):
        raise UserError(
            "--init_from must be the directory of a run, with its config.json. "
            f"Received: init_from={run_dir}"
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
    config = flags.override(presets[given.preset])
    names = [field.name for field in config.options() if getattr(given, field.name) is not None]
    contradictions.check(config, names)
    # Of several machines one writes, and this may be another.
    if not given.dry_run and config.strategy != "multi_worker":
        check_directory("run_dir", given.run_dir)
        if not _has_run(given.run_dir):  # where it goes on it has its own weights
            _check_source(config.init_from)
    return config
