"""MNIST and Fashion-MNIST as their authors distribute them: idx files, plain or gzip."""

import dataclasses
import gzip
import math
import pathlib
import zlib

import numpy as np

from harness.datasets.damage import reason
from harness.datasets.in_memory import Images, resized
from harness.datasets.labelled import MNIST_CLASSES, ImageKind, check_labels, check_split
from harness.errors import UserError

# Where below the given folder, the most particular first: the datasets' files have equal names.
_FOLDERS = {
    "mnist": ("mnist", "MNIST/raw", "."),
    "fashion_mnist": ("fashion_mnist", "FashionMNIST/raw", "."),
}
_SPLITS = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTES = 8
_AGAIN = "Download the file again"


@dataclasses.dataclass(frozen=True)
class IdxFiles:
    """One of the two datasets in a folder with its four files."""

    name: str
    folder: pathlib.Path

    @classmethod
    def find(cls, name, data_dir):
        """Finds the dataset with files in `data_dir` or a folder known for it there, or None."""
        for below in _FOLDERS.get(name, ()) if data_dir else ():
            dataset = cls(name, data_dir / below)
            if any(dataset._file(split, rank) for split in _SPLITS for rank in (1, 3)):
                return dataset
        return None

    @staticmethod
    def looked_for(name):
        """Says what `find` looks for; empty if `name` has no such files."""
        if name not in _FOLDERS:
            return ""
        *below, _ = _FOLDERS[name]
        return f"train-images-idx3-ubyte[.gz] and its like, there or in {'/ or '.join(below)}/"

    def kind(self):
        """The `ImageKind` of the images."""
        return ImageKind(channels=1, num_classes=10, size=(28, 28))

    def splits(self):
        """The names of the splits that there are."""
        return list(_SPLITS)

    def load(self, split, image_size):
        """Reads `Images` in the order of the file."""
        check_split(self.name, f" in {self.folder}", split, _SPLITS)
        pixels, labels = self._read(split, 3), self._read(split, 1)
        what = f"Split {split!r} of dataset {self.name!r} in {self.folder}"
        check_labels(what, len(pixels), labels, 10)
        labels = labels.astype(np.int64)
        names = MNIST_CLASSES[self.name]
        stored = Images(self.name, split, pixels[..., np.newaxis], labels, 10, names)
        return resized(stored, image_size)

    def _file(self, split, rank):
        """Finds the path of the file of an array of `rank` dimensions; None if there is none."""
        for name in _spellings(split, rank):
            if (self.folder / name).is_file():
                return self.folder / name
        return None

    def _read(self, split, rank):
        path = self._file(split, rank)
        if path is None:
            raise UserError(
                f"{self.folder} must have the split {split!r} of dataset {self.name!r}. Received: "
                f"no {' or '.join(_spellings(split, rank))}"
            )
        return _read_idx(path, rank)


def _spellings(split, rank):
    what = {3: "images", 1: "labels"}[rank]
    plain = [f"{_SPLITS[split]}-{what}{joint}idx{rank}-ubyte" for joint in "-."]
    return [name + ending for name in plain for ending in ("", ".gz")]


def _read_idx(path, rank):
    """Reads the array uint8 of `rank` dimensions in an idx file.

    The file is the bytes 0, 0, the code of the type, and the rank; the sizes of the dimensions as
    big-endian uint32; then the values.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"Damaged data: {path} cannot be read ({type(error).__name__}: {reason(error)}). "
            f"{_AGAIN}"
        ) from error
    magic = bytes([0, 0, _UNSIGNED_BYTES, rank])
    header = len(magic) + 4 * rank
    if content[:4] != magic or len(content) < header:
        raise UserError(
            f"Damaged data: {path} must be an idx file that begins with the bytes {magic.hex()}, "
            f"then {rank} sizes. Received: {len(content)} bytes, {content[:header].hex()}. {_AGAIN}"
        )
    shape = np.frombuffer(content, ">u4", count=rank, offset=4).tolist()
    if len(content) - header != math.prod(shape) or 0 in shape[1:]:
        raise UserError(
            f"Damaged data: {path} must hold the {'x'.join(map(str, shape))} values that its "
            f"header announces. Received: {len(content) - header} values. {_AGAIN}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
