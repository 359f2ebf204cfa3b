"""What `--help` says of a program and its flags."""

import textwrap
import typing

from harness.config import GROUPS

# So many choices of a flag, or so many letters of them, are not told on one line.
MANY = 16
_WIDE = 80


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


class Named(typing.NamedTuple):
    """Flags of one configuration that have a name together.

    Attributes:
        names: what it is called, or several with a star in the place of what differs.
        flags: the flags, as a user would give them.
        inside: whether it is one of those that the last with a star stands for.
    """

    names: str
    flags: list
    inside: bool = False


# By group, its flags; and what comes after them.
_groups = {}
PRESETS = "Presets, and the flags of which they have another value than the default above"

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
    """Adds a flag, a `Described`, or of `PRESETS` a `Named`, to those of a heading."""
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
    places = (*GROUPS, PRESETS)
    return places.index(group) if group in places else -1


def _lines(flag):
    if isinstance(flag, Named):
        return _lines_of_named(flag)
    name, kind, help, choices, optional, default = flag
    if choices and (len(choices) > MANY or len("|".join(map(str, choices))) > _WIDE):
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


def _lines_of_named(named):
    indent = " " * (4 if named.inside else 2)
    text = f"{named.names}: {' '.join(named.flags) or 'none of them'}"
    options = {"break_on_hyphens": False, "break_long_words": False}
    return textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=" " * 8, **options)
