"""scikit-learn's 1,797 handwritten digits, which need no files."""

import dataclasses

import numpy as np

from harness.datasets.in_memory import Images, resized
from harness.datasets.labelled import DIGITS, ImageKind, check_split
from harness.errors import UserError

_SPLITS = {"train": slice(1437), "test": slice(1437, None)}
_SIZE = 32


@dataclasses.dataclass(frozen=True)
class Digits:
    """The dataset "digits": 8x8 pixels of values from 0 to 16, scaled to [0, 255]."""

    @classmethod
    def find(cls, name, data_dir):
        """Gives the dataset if this is its name, else None."""
        return cls() if name == "digits" else None

    def kind(self):
        """The `ImageKind` of the images."""
        return ImageKind(channels=1, num_classes=10, size=(_SIZE, _SIZE))

    def splits(self):
        """The names of the splits that there are."""
        return list(_SPLITS)

    def load(self, split, image_size):
        """Reads `Images` of the first 1,437 digits, "train", or of the last 360, "test"."""
        check_split("digits", "", split, _SPLITS)
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise UserError(
                f"Dataset 'digits' comes with scikit-learn, which does not import ({error}); "
                "install it: pip install scikit-learn"
            ) from error
        images, labels = load_digits(return_X_y=True)
        rows = _SPLITS[split]
        pixels = images[rows].reshape(-1, 8, 8, 1).astype(np.float32) * np.float32(255 / 16)
        stored = Images("digits", split, pixels, labels[rows].astype(np.int64), 10, DIGITS)
        return resized(stored, image_size or _SIZE)
