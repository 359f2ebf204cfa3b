"""The image files below folders: each once, whatever links there are."""

import collections
import os
import re
import typing

from harness.datasets.decoding import SUFFIXES
from harness.errors import UserError

_NAMED = 5  # Of many endings a line tells this many.
_LISTED = "links to what is listed"


class Listing(typing.NamedTuple):
    """The image files below some folders.

    Attributes:
        paths: of each folder the paths of its images, a sorted list.
        passed_over: how many entries were passed over, by the reason in words.
    """

    paths: list
    passed_over: collections.Counter

    def line(self, what):
        """Says what was passed over in `what`; empty if there was nothing."""
        told = ", ".join(f"{count:,} {why}" for why, count in sorted(self.passed_over.items()))
        count = sum(map(len, self.paths))
        return f"{what}: {count:,} images; passed over: {told}." if told else ""


def list_images(folders):
    """Lists the image files below each folder, by the endings of their names in any case.

    What is hidden (.name) is passed over, and what is no file, as a named pipe, is not opened, nor
    what cannot be reached, as a link to nothing or one in a circle of links. Links are followed,
    and no file is listed twice: not below the folder that a link leads to and where the link is,
    nor for ever where links form a cycle. It counts where no link leads to, if that is below one of
    the folders.

    Args:
        folders: paths of folders.

    Returns:
        A `Listing`.

    Raises:
        UserError: a folder cannot be listed.
    """
    walk = _Walk()
    roots = [os.fspath(folder) for folder in folders]
    for number, root in enumerate(roots):
        walk.enter(root, number)
    walk.follow()
    paths = [sorted(walk.found[number]) for number in range(len(roots))]
    return Listing(paths, walk.passed_over)


class _Walk:
    """What was found so far; links wait until all folders without were walked."""

    def __init__(self):
        self.found = collections.defaultdict(list)
        self.passed_over = collections.Counter()
        self._folders = set()
        self._files = set()
        self._links = collections.deque()

    def enter(self, folder, number):
        """Lists a folder and the folders in it, but for links."""
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            real = os.path.realpath(folder)
            if real in self._folders:
                self.passed_over[_LISTED] += 1
                continue
            self._folders.add(real)
            for entry in entries_of(folder):
                if entry.name.startswith("."):
                    self.passed_over["hidden"] += 1
                elif entry.is_symlink():
                    self._links.append((entry, number))
                elif is_kind(entry.is_dir):
                    waiting.append(entry.path)
                else:
                    self._file(entry, number, os.path.join(real, entry.name))

    def follow(self):
        """Follows the links, those that are found meanwhile as well."""
        while self._links:
            entry, number = self._links.popleft()
            if is_kind(entry.is_dir):
                self.enter(entry.path, number)
            else:
                self._file(entry, number, os.path.realpath(entry.path))

    def _file(self, entry, number, real):
        if not is_kind(entry.is_file):
            there = os.path.exists(entry.path)
            self.passed_over["that are no files" if there else "links to nothing"] += 1
        elif not entry.name.lower().endswith(SUFFIXES):
            self.passed_over[self._ending(entry.name)] += 1
        elif real in self._files:
            self.passed_over[_LISTED] += 1
        else:
            self._files.add(real)
            self.found[number].append(entry.path)

    def _ending(self, name):
        ending = os.path.splitext(name)[1].lower()
        told = [why for why in self.passed_over if why.startswith("*")]
        if not re.fullmatch(r"\.\w{1,8}", ending):
            return "of no ending that is known"
        named = f"*{ending}"
        return named if named in told or len(told) < _NAMED else "of other endings"


def entries_of(folder):
    """The entries of a folder, sorted by their names; raises `UserError` if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder} cannot be listed: {error.strerror}") from error


def is_kind(kind):
    """Whether an entry is of a kind, its method; what cannot be reached is of none."""
    try:
        return kind()
    except OSError:  # Of a circle of links, or within a folder that may not be entered.
        return False
