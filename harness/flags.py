"""Flags of a configuration's fields."""

import dataclasses
import difflib
import os
import typing

from absl import flags

from harness import help_page
from harness.config import Check, choices_of, types_of
from harness.errors import UserError

# Fewer values than these that presets have beside the default are told with a flag.
_FEW = 4
# Of what was received, so much is told.
_LONG = 200

# What a value must be, by its type.
_KINDS = {int: "a whole number", float: "a number"}


def _is_name(text):
    """Whether a text may be a path, or the name of something that is looked for as a file."""
    encoded = os.fsencode(os.path.expanduser(text))
    parts = encoded.split(b"/")
    return 0 < len(encoded) < 4096 and b"\0" not in encoded and max(map(len, parts)) < 256


# What Linux takes.
_NAME = Check("a name or a path, with 1 to 255 bytes between slashes and 4,095 in all", _is_name)


def define_flags(config_class, only=None, choices=None, defaults=None):
    """Defines a flag for each field of a `Configuration`; left out, it is None.

    Args:
        config_class: the class.
        only: names of the fields to define flags for; None is all.
        choices: dict from a field's name to the values that its flag takes, where these are fewer.
        defaults: what `--help` tells that holds where flags are left out: configurations, one of
            which a user starts from, or a text for all flags; None: nothing.
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
                check=field.metadata["check"],
                default=defaults
                if defaults is None or isinstance(defaults, str)
                else _default(field.default, [getattr(config, field.name) for config in defaults]),
            )


def _default(default, values):
    """What `--help` tells of a field's default, and its values where a user starts from others."""
    others = [shown(value) for value in dict.fromkeys(values) if value != default]
    told = f" {' or '.join(others)}" if len(others) < _FEW else ""
    return shown(default) + (f", or the preset's{told}" if others else "")


def shown(value):
    """A value as a flag takes it."""
    texts = {None: "none", True: "true", False: "false"}
    return texts[value] if value is None or isinstance(value, bool) else str(value)


def define_flag(name, annotation, group, help, choices=None, *, check=None, default=None):
    """Defines a flag that holds None where it is left out.

    Args:
        name: of the flag.
        annotation: its type: int, float, bool, str, or one of these or None: then the flag takes
            "none" as well.
        group: heading in `--help`.
        help: what it is, with its unit.
        choices: the values that it may have; None is any.
        check: a `config.Check` that its value must pass; None is any.
        default: what `--help` says that holds where it is left out, a text; None: nothing.
    """
    kind, optional = types_of(annotation)
    help_page.add(group, help_page.Described(name, kind, help, choices, optional, default))
    if kind is bool:
        flag = _BooleanFlag(name, None, help)
    else:
        flag = _Flag(_Parser(kind, choices, optional, check), None, name, None, help)
    flags.DEFINE_flag(flag, flags.FLAGS)


class _Parser(flags.ArgumentParser):
    def __init__(self, kind, choices, optional, check):
        self.kind = kind
        self.choices = choices
        self.optional = optional
        self.check = _NAME if kind is str and check is None else check

    def parse(self, argument):
        if self.optional and argument in (None, NONE, "none"):
            return NONE
        if self.choices is not None:
            if argument not in [str(choice) for choice in self.choices]:
                raise ValueError(f"one of {some(self.choices, argument)}{self._or_none()}")
            return self.kind(argument)
        try:
            # What begins with ~ is a path: a shell leaves it as it is behind an equals sign.
            value = os.path.expanduser(argument) if self.kind is str else self.kind(argument)
        except ValueError:
            raise ValueError(self._rule()) from None
        if self.check is not None and not self.check.passes(value):
            raise ValueError(self._rule())
        return value

    def _rule(self):
        """What a value must be, in words."""
        if self.check is None:
            return _KINDS[self.kind] + self._or_none()
        if self.kind is str:
            return self.check.rule + self._or_none()
        return f"{_KINDS[self.kind]}, {self.check.rule}{self._or_none()}"

    def _or_none(self):
        return ", or none" if self.optional and "none" not in (self.choices or ()) else ""

    def flag_type(self):
        return self.kind.__name__


class _Flag(flags.Flag):
    """A flag whose mistakes are told as the program's others are."""

    def _parse(self, argument):
        try:
            return self.parser.parse(argument)
        except ValueError as error:
            raise mistake(self.name, error, argument) from error


class _BooleanFlag(flags.BooleanFlag):
    def _parse(self, argument):
        try:
            return self.parser.parse(argument)
        except ValueError as error:
            raise mistake(self.name, "true or false", argument) from error


def mistake(name, rule, received):
    """The error of a flag: what its value must be, in words, and what it was given as."""
    received = str(received)
    if len(received) > _LONG:
        received = f"{received[:_LONG]}... ({len(received):,} characters)"
    quoted = received if received.isascii() and received.strip() else repr(received)
    return flags.IllegalFlagValueError(f"--{name} must be {rule}. Received: {name}={quoted}")


def some(choices, near=""):
    """Choices for a message: all of them, or if they are many a few that are nearest to a text."""
    choices = [str(choice) for choice in choices]
    if len(choices) <= help_page.MANY:
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
