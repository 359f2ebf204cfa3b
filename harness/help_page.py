"""What `--help` says of a program and its flags."""

import textwrap
import typing

from harness.config import GROUPS

# So many choices of a flag are not told on one line.
MANY = 16


class Described(typing.NamedTuple):
    """A flag as `--help` tells of it.

    Attributes:
        name: of the flag.
        kind: its type; None: it takes no value.
        help: what it is.
        choices: the values that it may have; None is any.
        optional: whether "none" is a value.
        default: what holds where it is left out, in words; None: nothing is said.
    """

    name: str
    kind: type | None
    help: str
    choices: typing.Sequence | None = None
    optional: bool = False
    default: str | None = None


# By group, its flags.
_groups = {}

_EVERY_PROGRAM = (
    Described(
        "flagfile",
        str,
        "File with more flags, one a line as --name=value; a line that begins with # is a note.",
    ),
    Described("version", None, "Show which versions are installed of what it uses, and stop."),
    Described("help", None, "Show this, and stop."),
)


def add(group, flag):
    """Adds a flag, a `Described`, to those of a heading."""
    _groups.setdefault(group, []).append(flag)


def text(usage):
    """What `--help` prints: how to use a program, and its flags in their groups."""
    lines = [textwrap.dedent(usage).strip()]
    for group in sorted(_groups, key=_place):
        lines += ["", f"{group}:", *(line for flag in _groups[group] for line in _lines(flag))]
    lines += ["", "Any program:", *(line for flag in _EVERY_PROGRAM for line in _lines(flag))]
    return "\n".join(lines)


def _place(group):
    """Groups that are no configuration's come first, in the order of their definition."""
    return GROUPS.index(group) if group in GROUPS else -1


def _lines(flag):
    name, kind, help, choices, optional, default = flag
    if choices and len(choices) > MANY:
        help = f"{help} One of {', '.join(map(str, choices))}."
        choices = None
    left = f"--[no]{name}" if kind is bool else f"--{name}"
    if kind not in (bool, None):
        left += f"={'|'.join(map(str, choices)) if choices else f'<{kind.__name__}>'}"
        left += "|none" if optional and "none" not in (choices or ()) else ""
    if default is not None:
        help = f"{help} Default: {default}."
    indent = " " * 8
    return [f"  {left}", *textwrap.wrap(help, 92, initial_indent=indent, subsequent_indent=indent)]
