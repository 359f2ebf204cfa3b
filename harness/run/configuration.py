"""The configuration in a run's directory: `config.json`, and a copy with its checksum.

The copy, `.config.json`, is `{"config": {...}, "sha256": "..."}`, and is what counts where the two
differ: a bit that flipped in a number is seen by that alone.
"""

import functools
import json

from harness import sealed
from harness.files import read_object, write_whole

NAME = "config.json"
COPY = ".config.json"


def write(folder, config):
    """Writes both; the copy first, so that one that is older than `config.json` is never there."""
    copy = {"config": config, sealed.KEY: sealed.checksum(config)}
    write_whole(folder / COPY, json.dumps(copy) + "\n")
    write_whole(folder / NAME, json.dumps(config, indent=2) + "\n")


def read(folder):
    """The configuration, a dict, or None if there is none; a line says where the copy is used.

    Raises:
        ValueError: it is damaged, and so is its copy.
    """
    copy = _copy(folder / COPY)
    try:
        known, said = read_object(folder / NAME), "is not what was written"
    except (FileNotFoundError, NotADirectoryError):
        known, said = None, "is gone"
    except ValueError as error:
        if copy is None:
            raise
        known, said = None, f"is damaged: {error}"
    if copy is None or copy == known:
        return known
    _say(f"{folder / NAME} {said}. Its copy, {COPY}, is used.")
    return copy


@functools.cache
def _say(text):
    """Says it once: a program may read a configuration more than once."""
    print(text)


def _copy(path):
    try:
        copy = read_object(path)
        is_whole = copy[sealed.KEY] == sealed.checksum(copy["config"])
        return copy["config"] if is_whole else None
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
        return None
