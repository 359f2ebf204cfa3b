"""An array of images in one file: .npy, or .npz with or without labels and splits."""

import dataclasses
import pathlib

import numpy as np

from harness.datasets.damage import reason
from harness.datasets.in_memory import Images, resized
from harness.datasets.labelled import DIGITS, ImageKind, check_labels, check_split
from harness.errors import UserError

_NAME = "array"
# What black and white are of an array of floats, by how a dataset's name tells it.
_RANGES = {"array/0:1": (0.0, 1.0), "array/-1:1": (-1.0, 1.0), "array/0:255": (0.0, 255.0)}
_TOLERANCE = 1e-3  # of the range: of what was computed

_NPY = np.lib.format.MAGIC_PREFIX
_SPLITS = ("train", "validation", "val", "test")
# Names of images and labels in an .npz file: Keras', MedMNIST's, and those without splits.
_OF_A_SPLIT = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
_OF_ALL = (("images", "labels"), ("x", "y"), ("arr_0", "arr_1"))


@dataclasses.dataclass(frozen=True)
class ArrayFile:
    """The images in a file, uint8 (n, height, width[, 1 or 3]), or floats whose range is told.

    Attributes:
        name: "array", of whole numbers from 0 to 255; of floats "array/0:1", "array/-1:1" or
            "array/0:255".
        path: of a .npy file, or of an .npz file with arrays named `images` and `labels` (or `x` and
            `y`, `arr_0` and `arr_1`), or of splits, `x_train` and `y_train` (or `train_images` and
            `train_labels`), and so for test and val. Labels are integers (n,) from 0; without them
            the images have no classes.
    """

    name: str
    path: pathlib.Path

    @classmethod
    def find(cls, name, data_dir):
        """Gives the dataset if this is its name, else None."""
        if name != _NAME and name not in _RANGES:
            if name.startswith(f"{_NAME}/"):
                raise UserError(f"A dataset of arrays must be {_names()}. Received: dataset={name}")
            return None
        if data_dir is None or not data_dir.is_file():
            raise UserError(
                f"--dataset={name} is read from a file: give it as --data_dir=FILE.npz, or "
                f".npy. Received: data_dir={data_dir}"
            )
        return cls(name, data_dir)

    def kind(self):
        """The `ImageKind` of the images, by those of the first split."""
        images = self._images(self.splits()[0])
        return ImageKind(images.shape[3], self._num_classes(), images.shape[1:3])

    def splits(self):
        """The names of the splits that there are."""
        return list(self._arrays())

    def load(self, split, image_size):
        """Reads `Images` in the order of the file."""
        check_split(self.name, f" in {self.path}", split, self.splits())
        images, labels, count = self._images(split), self._labels(split), self._num_classes()
        what = f"Split {split!r} of {self.path}"
        if labels is None:
            count, labels = None, np.zeros(len(images), np.int64)
        check_labels(what, len(images), labels, count)
        return resized(Images(self.name, split, images, labels, count), image_size)

    def _images(self, split):
        """The images of a split, (n, height, width, channels) from 0 to 255."""
        images = self._read(self._arrays()[split][0])
        images = images[..., np.newaxis] if images.ndim == 3 else images
        if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
            raise UserError(
                f"The images in {self.path} must be (n, height, width), or with 1 or 3 channels "
                f"(n, height, width, channels). Received: shape={images.shape}"
            )
        return self._scaled(images)

    def _scaled(self, images):
        floats = images.dtype.kind == "f"
        if floats != (self.name in _RANGES) or images.dtype.kind not in "fui":
            raise UserError(
                f"Arrays of whole numbers from 0 to 255 are read by --dataset={_NAME}, arrays of "
                f"floats by {_names(list(_RANGES))}, which says their range. Received: "
                f"dataset={self.name}, and {images.dtype} in {self.path}"
            )
        low, high = _RANGES.get(self.name, (0, 255))
        least, most = images.min(), images.max()
        slack = _TOLERANCE * (high - low) if floats else 0
        if not (low - slack <= least and most <= high + slack):
            raise UserError(
                f"Images of --dataset={self.name} must have values from {low:g} to {high:g}. "
                f"Received: values from {least:g} to {most:g} in {self.path}"
            )
        if not floats:
            return images.astype(np.uint8, copy=False)
        scaled = (images.astype(np.float32) - low) * (255 / (high - low))
        return np.clip(scaled, 0, 255, out=scaled)

    def _labels(self, split):
        """The labels of a split, int64 (n,); None if there are none."""
        name = self._arrays()[split][1]
        if name is None:
            return None
        labels = self._read(name)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.ndim != 1 or labels.dtype.kind not in "ui":
            raise UserError(
                f"The labels {name} in {self.path} must be integers (n,). Received: "
                f"{labels.dtype} {labels.shape}"
            )
        return labels.astype(np.int64)

    def _num_classes(self):
        """The number of classes in all splits; None if one has no labels."""
        labels = [self._labels(split) for split in self.splits()]
        if any(there is None for there in labels):
            return None
        return 1 + max((int(there.max()) for there in labels if len(there)), default=0)

    def _arrays(self):
        """The names of images and labels by split, of which labels, None, may not be there."""
        # A file is what it begins as: it may have the other's name.
        if self._open(lambda file: file.read(len(_NPY)) == _NPY):
            return {"train": (None, None)}
        there = self._open(lambda file: set(_load(file).files))
        rows = {
            split: (images.format(split), labels.format(split))
            for images, labels in _OF_A_SPLIT
            for split in _SPLITS
            if images.format(split) in there
        }
        whole = [row for row in _OF_ALL if row[0] in there]
        if whole and not rows:
            rows["train"] = whole[0]
        if not rows:
            known = ", ".join(images.format("train") for images, _ in (*_OF_ALL, *_OF_A_SPLIT))
            raise UserError(
                f"{self.path} must have images in an array named as one of {known}. Received: "
                f"{', '.join(sorted(there)) or 'no arrays'}"
            )
        return {
            split: (images, labels if labels in there else None)
            for split, (images, labels) in rows.items()
        }

    def _read(self, name):
        return self._open(lambda file: _load(file) if name is None else _load(file)[name])

    def _open(self, take):
        """Gives `take` of the file."""
        try:
            with self.path.open("rb") as file:
                return take(file)
        except MemoryError:
            raise
        except Exception as error:  # Damaged files surface as one of many types.
            raise UserError(
                f"{self.path} cannot be read as a file of arrays of numbers ({reason(error)})"
            ) from error


def _load(file):
    return np.load(file, allow_pickle=False)


@dataclasses.dataclass(frozen=True)
class KerasFiles:
    """MNIST as Keras distributes it: mnist.npz."""

    file: ArrayFile

    @classmethod
    def find(cls, name, data_dir):
        """Finds the file in `data_dir`, or as it, or None."""
        for path in (data_dir / "mnist.npz", data_dir) if name == "mnist" and data_dir else ():
            if path.name == "mnist.npz" and path.is_file():
                return cls(ArrayFile(name, path))
        return None

    @staticmethod
    def looked_for(name):
        """Says what `find` looks for; empty if `name` has no such file."""
        return "mnist.npz" if name == "mnist" else ""

    def kind(self):
        """The `ImageKind` of the images."""
        return ImageKind(channels=1, num_classes=10, size=(28, 28))

    def splits(self):
        """The names of the splits that there are."""
        return self.file.splits()

    def load(self, split, image_size):
        """Reads `Images` in the order of the file."""
        images = self.file.load(split, image_size)
        return dataclasses.replace(images, num_classes=10, class_names=DIGITS)


def _names(names=(_NAME, *_RANGES)):
    return ", ".join(f"--dataset={name}" for name in names)
