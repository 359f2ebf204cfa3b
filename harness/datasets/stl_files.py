"""STL-10 as its authors distribute it: files of bytes, channels before columns."""

import dataclasses
import pathlib

import numpy as np

from harness.datasets.damage import reason
from harness.datasets.in_memory import Images, resized
from harness.datasets.labelled import ImageKind, check_labels, check_split
from harness.errors import UserError

_NAME, _FOLDER = "stl10", "stl10_binary"
# By split the files of images and, if they have classes, labels.
_SPLITS = {
    "train": ("train_X.bin", "train_y.bin"),
    "test": ("test_X.bin", "test_y.bin"),
    "unlabelled": ("unlabeled_X.bin", None),
}
_SHAPE = (3, 96, 96)
_CLASSES = tuple("airplane bird car cat deer dog horse monkey ship truck".split())


@dataclasses.dataclass(frozen=True)
class StlFiles:
    """The dataset in a folder with its files."""

    name: str
    folder: pathlib.Path

    @classmethod
    def find(cls, name, data_dir):
        """Finds the dataset with files in `data_dir`, or in its folder there, or None."""
        for folder in (data_dir / _FOLDER, data_dir) if name == _NAME and data_dir else ():
            if cls(name, folder).splits():
                return cls(name, folder)
        return None

    @staticmethod
    def looked_for(name):
        """Says what `find` looks for; empty if `name` has no such files."""
        return f"{_FOLDER}/" if name == _NAME else ""

    def kind(self):
        """The `ImageKind` of the images."""
        return ImageKind(channels=3, num_classes=10, size=_SHAPE[1:])

    def splits(self):
        """The names of the splits that there are."""
        return [split for split, (file, _) in _SPLITS.items() if (self.folder / file).is_file()]

    def load(self, split, image_size):
        """Reads `Images` in the order of the file; those of "unlabelled" have no classes."""
        check_split(self.name, f" in {self.folder}", split, self.splits())
        images, classes = _SPLITS[split]
        pixels = self._bytes(images)
        if not pixels.size or pixels.size % np.prod(_SHAPE):
            raise UserError(
                f"Damaged data: {self.folder / images} must hold images of {np.prod(_SHAPE)} "
                f"bytes. Received: {pixels.size} bytes"
            )
        pixels = np.ascontiguousarray(pixels.reshape(-1, *_SHAPE).transpose(0, 3, 2, 1))
        if classes is None:
            labels = np.zeros(len(pixels), np.int64)
            return resized(Images(self.name, split, pixels, labels, None), image_size)
        labels = self._bytes(classes).astype(np.int64) - 1  # In the file they begin at 1.
        check_labels(self.folder / classes, len(pixels), labels, 10)
        return resized(Images(self.name, split, pixels, labels, 10, _CLASSES), image_size)

    def _bytes(self, name):
        try:
            return np.fromfile(self.folder / name, np.uint8)
        except OSError as error:
            raise UserError(f"{self.folder / name} cannot be read: {reason(error)}") from error
