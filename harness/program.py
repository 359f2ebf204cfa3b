"""What every program shares: flags from a configuration, and one line for a user's mistake."""

import dataclasses
import difflib
import logging
import os
import sys
import textwrap
import types
import typing

import absl.logging
from absl import app, flags

from harness.errors import Diverged, UserError

# So many choices of a flag are not told on one line.
_MANY = 16


def run(main, usage, define):
    """Runs a program: parses its flags, calls `main()`, and turns a user's mistake into one line.

    Args:
        main: function without arguments.
        usage: what `--help` says above the flags.
        define: function without arguments that defines the flags; not done where a program is
            imported, as there may be another.
    """
    define()

    def parse(argv):
        if {"--help", "-help", "-h", "--helpfull", "--helpshort"} & set(argv[1:]):
            _show(_help(usage))
            sys.exit(0)
        try:
            rest = flags.FLAGS(argv)
        except flags.Error as error:
            _leave(f"{str(error).splitlines()[0]} See --help.")
        if rest[1:]:
            _leave(f"Arguments are flags, --name=value. Received: {' '.join(rest[1:])}")
        return rest

    def guarded(argv):
        # What libraries tell about their progress is not the program's own to tell.
        logging.getLogger("tensorflow").setLevel(logging.WARNING)
        absl.logging.set_verbosity(absl.logging.WARNING)
        try:
            main()
        except (UserError, Diverged) as error:
            _leave(str(error))
        except OSError as error:  # no space, no permission, a name too long
            _leave(str(error))
        except KeyboardInterrupt:
            _leave("Interrupted.")

    app.run(guarded, flags_parser=parse)


def _show(text):
    """Prints a text of which a reader, as `head`, may want the beginning only."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(message):
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)


def define_flags(config_class, choices=None, only=None):
    """Defines a flag for each field of a configuration; left out, it is None.

    Args:
        config_class: a dataclass whose fields have `metadata` with "group", the heading in
            `--help`, and "help", what it is, with its unit.
        choices: dict from a field's name to the values that it may have.
        only: names of the fields to define flags for; None is all.
    """
    annotations = typing.get_type_hints(config_class)
    for item in dataclasses.fields(config_class):
        if only is not None and item.name not in only:
            continue
        define_flag(
            item.name,
            annotations[item.name],
            item.metadata["group"],
            item.metadata["help"],
            (choices or {}).get(item.name),
        )


_GROUPS = {}


def define_flag(name, annotation, group, help, choices=None):
    """Defines a flag without a default.

    Args:
        name: of the flag.
        annotation: its type: int, float, bool, str, or one of these or None: then the flag takes
            "none" as well.
        group: heading in `--help`.
        help: what it is, with its unit.
        choices: the values that it may have; None is any.
    """
    kinds = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else [annotation]
    optional = types.NoneType in kinds
    (kind,) = [kind for kind in kinds if kind is not types.NoneType]
    _GROUPS.setdefault(group, []).append((name, kind, help, choices, optional))
    if kind is bool:
        flags.DEFINE_boolean(name, None, help, flags.FLAGS)
    else:
        flags.DEFINE(_Parser(kind, choices, optional), name, None, help, flags.FLAGS)


class _Parser(flags.ArgumentParser):
    def __init__(self, kind, choices, optional):
        self.kind = kind
        self.choices = choices
        self.optional = optional

    def parse(self, argument):
        if self.optional and argument in (None, NONE, "none"):
            return NONE
        if self.choices is not None and argument not in [str(choice) for choice in self.choices]:
            raise ValueError(f"must be one of {some(self.choices, argument)}")
        return self.kind(argument)

    def flag_type(self):
        return self.kind.__name__


def some(choices, near=""):
    """Choices for a message: all of them, or if they are many a few that are nearest to a text."""
    choices = [str(choice) for choice in choices]
    if len(choices) <= _MANY:
        return ", ".join(choices)
    nearest = difflib.get_close_matches(near, choices, n=3, cutoff=0.0)
    return f"the {len(choices)} that --help lists, as {', '.join(nearest)}"


class _None:
    """What a flag that was given as "none" holds: a flag that was left out holds None."""

    def __repr__(self):
        return "none"


NONE = _None()


def override(config, names=None):
    """The configuration with the flags that were given in the place of its fields."""
    given = {}
    for item in dataclasses.fields(config):
        if names is None or item.name in names:
            value = getattr(flags.FLAGS, item.name)
            if value is not None:
                given[item.name] = None if value is NONE else value
    return dataclasses.replace(config, **given)


def _help(usage):
    lines = [textwrap.dedent(usage).strip()]
    for group, members in _GROUPS.items():
        lines += ["", f"{group}:"]
        for name, kind, help, choices, optional in members:
            if choices and len(choices) > _MANY:
                help = f"{help} One of {', '.join(map(str, choices))}."
                choices = None
            values = "|".join(map(str, choices)) if choices else f"<{kind.__name__}>"
            values += "|none" if optional and "none" not in (choices or ()) else ""
            left = f"--[no]{name}" if kind is bool else f"--{name}={values}"
            lines.append(f"  {left}")
            lines += textwrap.wrap(help, 92, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return "\n".join(lines)
