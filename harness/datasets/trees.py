"""Folders of images, on a disk or in a zip file, as one who looks for images sees them."""

import collections
import os
import pathlib
import zipfile

import tensorflow as tf

from harness.datasets.damage import reason
from harness.datasets.decoding import SUFFIXES
from harness.datasets.listing import Listing, entries_of, is_kind, list_images
from harness.errors import UserError


class Disk:
    """Folders on a disk."""

    list_images = staticmethod(list_images)

    def has_images(self, folder):
        """Whether images lie in the folder itself."""
        entries = entries_of(folder)
        return any(_is_image(entry.name) and is_kind(entry.is_file) for entry in entries)

    def folders(self, folder):
        """Lists the names of the visible folders in a folder, sorted."""
        there = [entry for entry in entries_of(folder) if is_kind(entry.is_dir)]
        return [entry.name for entry in there if not entry.name.startswith(".")]

    def contents(self, paths):
        """A function of an index, a tensor, that reads the file of that number, a string tensor."""
        with tf.device("CPU:0"):  # Captured once, not a constant in the graph.
            files = tf.constant([os.fsencode(path) for path in paths])
        return lambda index: tf.io.read_file(tf.gather(files, index))


class Zip:
    """Folders in a zip file, whose paths begin with that of the file. Nothing is unpacked.

    Args:
        path: of the file.

    Attributes:
        root: the folder in which all is: the file's path, and below it the folder in which all is
            packed, if there is one.
    """

    def __init__(self, path):
        try:
            self._file = zipfile.ZipFile(path)
        except Exception as error:  # Damaged files surface as one of many types.
            raise UserError(f"{path} must be a whole zip file ({reason(error)})") from error
        self._members = {}
        self._folders = collections.defaultdict(set)
        self._files = collections.defaultdict(list)
        self._other = collections.Counter()
        for member in self._file.infolist():
            self._add(path, member)
        self.root = pathlib.Path(path)
        while len(self.folders(self.root)) == 1 and not self._files[self.root]:
            (inside,) = self.folders(self.root)
            if inside in ("train", "validation", "val", "test"):
                break
            self.root /= inside

    def _add(self, path, member):
        parts = [part for part in member.filename.split("/") if part]
        if not parts or member.is_dir() or parts[0] == "__MACOSX":
            return
        if any(part.startswith(".") for part in parts):
            self._other["hidden"] += 1
            return
        if not _is_image(parts[-1]):
            self._other["of other endings"] += 1
            return
        folder = pathlib.Path(path)
        for part in parts[:-1]:
            self._folders[folder].add(part)
            folder /= part
        self._files[folder].append(parts[-1])
        if self._members.setdefault(str(folder / parts[-1]), member) is not member:
            raise UserError(
                f"{path} must have each image once. Received: {member.filename} several times. "
                "Pack the folder anew"
            )

    def has_images(self, folder):
        """Whether images lie in the folder itself."""
        return bool(self._files[folder])

    def folders(self, folder):
        """Lists the names of the folders in a folder, sorted."""
        return sorted(self._folders[folder])

    def list_images(self, folders):
        """The `Listing` of the images below each folder; of all that is no image once."""
        passed_over, self._other = self._other, collections.Counter()
        return Listing([sorted(self._below(folder)) for folder in folders], passed_over)

    def _below(self, folder):
        paths = [str(folder / name) for name in self._files[folder]]
        return sum((self._below(folder / name) for name in self._folders[folder]), paths)

    def contents(self, paths):
        """A function of an index, a tensor, that reads the file of that number, a string tensor."""

        def read(index):
            return self._file.read(self._members[paths[index]])

        return lambda index: tf.ensure_shape(tf.numpy_function(read, [index], tf.string), [])


def _is_image(name):
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")
