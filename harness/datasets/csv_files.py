"""MNIST and Fashion-MNIST as Kaggle distributes them: rows of a label and 784 pixels."""

import dataclasses

import numpy as np

from harness.datasets.damage import reason
from harness.datasets.in_memory import Images, resized
from harness.datasets.labelled import MNIST_CLASSES, ImageKind, check_labels, check_split
from harness.errors import UserError

# By dataset the files of a split. That of the competition's test has no labels, and is not read.
_FILES = {
    "mnist": {"train": ("mnist_train.csv", "train.csv"), "test": ("mnist_test.csv",)},
    "fashion_mnist": {
        "train": ("fashion-mnist_train.csv",),
        "test": ("fashion-mnist_test.csv",),
    },
}
_PIXELS = 28 * 28


@dataclasses.dataclass(frozen=True)
class CsvFiles:
    """One of the two datasets in a folder with a file of each split.

    Attributes:
        name: of the dataset.
        files: path of the file by split.
    """

    name: str
    files: dict

    @classmethod
    def find(cls, name, data_dir):
        """Finds the dataset with files in `data_dir`, or None."""
        files = {}
        for split, names in _FILES.get(name, {}).items() if data_dir else ():
            there = [data_dir / file for file in names if (data_dir / file).is_file()]
            if there:
                files[split] = there[0]
        return cls(name, files) if files else None

    @staticmethod
    def looked_for(name):
        """Says what `find` looks for; empty if `name` has no such files."""
        return " or ".join(sum(_FILES.get(name, {}).values(), ()))

    def kind(self):
        """The `ImageKind` of the images."""
        return ImageKind(channels=1, num_classes=10, size=(28, 28))

    def splits(self):
        """The names of the splits that there are."""
        return list(self.files)

    def load(self, split, image_size):
        """Reads `Images` in the order of the file."""
        check_split(self.name, "", split, self.files)
        path = self.files[split]
        try:
            with path.open() as file:
                if not file.readline().startswith("label,"):
                    raise ValueError("its first line does not begin with 'label,'")
                rows = np.loadtxt(file, np.uint8, delimiter=",", ndmin=2)
            if rows.shape[1] != 1 + _PIXELS:
                raise ValueError(f"{rows.shape[1]} columns")
        except (OSError, ValueError) as error:
            raise UserError(
                f"Damaged data: {path} must have rows of a label and {_PIXELS} pixels from 0 to "
                f"255 below a header. Received: {reason(error)}"
            ) from error
        labels = rows[:, 0].astype(np.int64)
        check_labels(path, len(rows), labels, 10)
        pixels = np.ascontiguousarray(rows[:, 1:]).reshape(-1, 28, 28, 1)
        names = MNIST_CLASSES[self.name]
        return resized(Images(self.name, split, pixels, labels, 10, names), image_size)
