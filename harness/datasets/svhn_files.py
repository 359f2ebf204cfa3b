"""SVHN's cropped digits as their authors distribute them: .mat files of MATLAB."""

import dataclasses
import pathlib

import numpy as np

from harness.datasets.damage import reason
from harness.datasets.in_memory import Images, resized
from harness.datasets.labelled import DIGITS, ImageKind, check_labels, check_split
from harness.errors import UserError

_NAMES = ("svhn", "svhn_cropped")
_SPLITS = {split: f"{split}_32x32.mat" for split in ("train", "test", "extra")}


@dataclasses.dataclass(frozen=True)
class SvhnFiles:
    """The dataset in a folder with its files."""

    name: str
    folder: pathlib.Path

    @classmethod
    def find(cls, name, data_dir):
        """Finds the dataset with files in `data_dir`, or None."""
        dataset = cls(name, data_dir) if name in _NAMES and data_dir else None
        return dataset if dataset and dataset.splits() else None

    @staticmethod
    def looked_for(name):
        """Says what `find` looks for; empty if `name` has no such files."""
        return ", ".join(_SPLITS.values()) if name in _NAMES else ""

    def kind(self):
        """The `ImageKind` of the images."""
        return ImageKind(channels=3, num_classes=10, size=(32, 32))

    def splits(self):
        """The names of the splits that there are."""
        return [split for split, file in _SPLITS.items() if (self.folder / file).is_file()]

    def load(self, split, image_size):
        """Reads `Images` in the order of the file; the digit 0 has the label 0, in the file 10."""
        import scipy.io

        check_split(self.name, f" in {self.folder}", split, self.splits())
        path = self.folder / _SPLITS[split]
        try:
            content = scipy.io.loadmat(path, variable_names=("X", "y"))
            pixels, labels = content["X"], content["y"][:, 0]
            if pixels.shape != (32, 32, 3, len(labels)) or pixels.dtype != np.uint8:
                raise ValueError(f"X of {pixels.dtype} {pixels.shape}, {len(labels)} labels")
        except MemoryError:
            raise
        except Exception as error:  # Damaged files surface as one of many types.
            raise UserError(
                f"Damaged data: {path} must hold X, uint8 (32, 32, 3, n), and y (n, 1). Received: "
                f"{type(error).__name__} {reason(error)}"
            ) from error
        labels = labels.astype(np.int64)
        labels = np.where(labels == 10, 0, labels)
        check_labels(path, len(labels), labels, 10)
        pixels = np.ascontiguousarray(np.moveaxis(pixels, 3, 0))
        return resized(Images(self.name, split, pixels, labels, 10, DIGITS), image_size)
