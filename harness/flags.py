"""Flags of a configuration's fields, and what `--help` says of them."""

import dataclasses
import difflib
import os
import textwrap
import typing

from absl import flags

from harness.config import GROUPS, choices_of, types_of
from harness.errors import UserError

# So many choices of a flag are not told on one line.
_MANY = 16


def define_flags(config_class, only=None, choices=None):
    """Defines a flag for each field of a `Configuration`; left out, it is None.

    Args:
        config_class: the class.
        only: names of the fields to define flags for; None is all.
        choices: dict from a field's name to the values that its flag takes, where these are fewer.
    """
    annotations = typing.get_type_hints(config_class)
    for field in config_class.options():
        if only is None or field.name in only:
            define_flag(
                field.name,
                annotations[field.name],
                field.metadata["group"],
                field.metadata["help"],
                (choices or {}).get(field.name, choices_of(field)),
            )


# By group, its flags: name, type, help, choices, whether "none" is a value.
_groups = {}


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
    kind, optional = types_of(annotation)
    _groups.setdefault(group, []).append((name, kind, help, choices, optional))
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
        # What begins with ~ is a path: a shell leaves it as it is behind an equals sign.
        return os.path.expanduser(argument) if self.kind is str else self.kind(argument)

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
    """The configuration with the flags that were given in the place of its fields.

    Raises:
        UserError: a value is not what it must be.
    """
    given = {}
    for field in config.options():
        if names is None or field.name in names:
            value = getattr(flags.FLAGS, field.name)
            if value is not None:
                given[field.name] = None if value is NONE else value
    try:
        return dataclasses.replace(config, **given)
    except ValueError as error:
        raise UserError(str(error)) from error


def help_text(usage):
    """What `--help` prints: how to use a program, and its flags in their groups."""
    lines = [textwrap.dedent(usage).strip()]
    for group in sorted(_groups, key=_place):
        lines += ["", f"{group}:"]
        for name, kind, help, choices, optional in _groups[group]:
            if choices and len(choices) > _MANY:
                help = f"{help} One of {', '.join(map(str, choices))}."
                choices = None
            values = "|".join(map(str, choices)) if choices else f"<{kind.__name__}>"
            values += "|none" if optional and "none" not in (choices or ()) else ""
            left = f"--[no]{name}" if kind is bool else f"--{name}={values}"
            lines.append(f"  {left}")
            lines += textwrap.wrap(help, 92, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return "\n".join(lines)


def _place(group):
    """Groups that are no configuration's come first, in the order of their definition."""
    return GROUPS.index(group) if group in GROUPS else -1
