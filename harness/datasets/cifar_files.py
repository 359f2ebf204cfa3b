"""CIFAR-10 and CIFAR-100 as their authors distribute them: Python batches, or binary."""

import dataclasses
import pathlib
import typing

import numpy as np

from harness.datasets.damage import reason
from harness.datasets.in_memory import Images, resized
from harness.datasets.labelled import ImageKind, check_labels, check_split
from harness.datasets.plain_pickle import read_pickle
from harness.datasets.tar_files import TarFolder
from harness.errors import UserError

_PLANES = (3, 32, 32)
_PIXELS = 3 * 32 * 32
_AGAIN = "Unpack the official archive again"


def _python_rows(path, label):
    """Reads pixels uint8 (n, 3072) and labels (n,) of a pickled dict of "data" and `label`."""
    batch = read_pickle(path)
    rule = f"{path} must be a dict of 'data', uint8 (n, {_PIXELS}), and {label!r}, n integers."
    if not isinstance(batch, dict):
        raise UserError(f"{rule} Received: {type(batch).__name__}. {_AGAIN}")
    batch = {_text(key): value for key, value in batch.items()}
    if not {"data", label} <= set(batch):
        raise UserError(f"{rule} Received: keys {list(batch)[:8]}. {_AGAIN}")
    try:
        pixels, labels = np.asarray(batch["data"]), np.asarray(batch[label])
    except ValueError as error:  # a ragged list
        raise UserError(f"{rule} Received: {reason(error)}. {_AGAIN}") from error
    if (
        pixels.dtype != np.uint8
        or pixels.shape[1:] != (_PIXELS,)
        or labels.ndim != 1
        or (labels.size and labels.dtype.kind not in "iu")
    ):
        raise UserError(
            f"{rule} Received: {pixels.dtype} {pixels.shape} and {labels.dtype} {labels.shape}. "
            f"{_AGAIN}"
        )
    return pixels, labels


def _text(key):
    return key.decode("latin1") if isinstance(key, bytes) else key


def _binary_rows(path, label_bytes):
    """Reads pixels uint8 (n, 3072) and labels (n,) of records: bytes of labels, then pixels."""
    record = label_bytes + _PIXELS
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {reason(error)}") from error
    if content.size % record:
        raise UserError(
            f"Damaged data: {path} must hold whole records of {record} bytes. Received: "
            f"{content.size} bytes, {content.size / record:.2f} records. {_AGAIN}"
        )
    rows = content.reshape(-1, record)
    return rows[:, label_bytes:], rows[:, label_bytes - 1]


class _Layout(typing.NamedTuple):
    """Files of an archive: its folder, those of each split, and `read(path, label)` -> rows.

    `meta` is the file with the classes' names, in a pickle under the key `names`.
    """

    archive: str
    folder: str
    splits: dict
    read: typing.Callable
    label: typing.Any
    meta: str
    names: str | None = None


_LAYOUTS = {
    "cifar10": (
        _Layout(
            "cifar-10-python.tar.gz",
            "cifar-10-batches-py",
            {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]},
            _python_rows,
            "labels",
            "batches.meta",
            "label_names",
        ),
        _Layout(
            "cifar-10-binary.tar.gz",
            "cifar-10-batches-bin",
            {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]},
            _binary_rows,
            1,
            "batches.meta.txt",
        ),
    ),
    "cifar100": (
        _Layout(
            "cifar-100-python.tar.gz",
            "cifar-100-python",
            {"train": ["train"], "test": ["test"]},
            _python_rows,
            "fine_labels",
            "meta",
            "fine_label_names",
        ),
        _Layout(
            "cifar-100-binary.tar.gz",
            "cifar-100-binary",
            {"train": ["train.bin"], "test": ["test.bin"]},
            _binary_rows,
            2,  # The coarse label, then the fine one.
            "fine_label_names.txt",
        ),
    ),
}
_CLASSES = {"cifar10": 10, "cifar100": 100}


@dataclasses.dataclass(frozen=True)
class CifarFiles:
    """One of the two datasets in a folder with the files of one archive, or in the archive."""

    name: str
    folder: pathlib.Path | TarFolder
    layout: _Layout

    @classmethod
    def find(cls, name, data_dir):
        """Finds the dataset with its files or archive in `data_dir`, or in its folder there."""
        for layout in _LAYOUTS.get(name, ()) if data_dir else ():
            for folder in (data_dir / layout.folder, data_dir):
                if any((folder / file).is_file() for file in sum(layout.splits.values(), [])):
                    return cls(name, folder, layout)
            for archive in (data_dir / layout.archive, data_dir):
                if archive.name == layout.archive and archive.is_file():
                    return cls(name, TarFolder(archive, layout.folder), layout)
        return None

    @staticmethod
    def looked_for(name):
        """Says what `find` looks for; empty if `name` has no such files."""
        return " or ".join(
            f"{layout.folder}/ or {layout.archive}" for layout in _LAYOUTS.get(name, ())
        )

    def kind(self):
        """The `ImageKind` of the images."""
        return ImageKind(channels=3, num_classes=_CLASSES[self.name], size=(32, 32))

    def splits(self):
        """The names of the splits that there are."""
        return list(self.layout.splits)

    def load(self, split, image_size):
        """Reads `Images` in the order of the files; for CIFAR-100 with the fine labels."""
        check_split(self.name, f" in {self.folder}", split, self.layout.splits)
        files = [self.folder / file for file in self.layout.splits[split]]
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise UserError(
                f"{self.folder} must have the files {[file.name for file in files]}. Received: "
                f"no {', '.join(missing)}. {_AGAIN}"
            )
        batches = [self._batch(file) for file in files]
        counts = [len(labels) for _, labels in batches]
        if len(set(counts)) > 1:
            raise UserError(
                f"The files {files[0].name} to {files[-1].name} of {self.folder} must have equally "
                f"many images. Received: {counts}. {_AGAIN}"
            )
        planes = np.concatenate([pixels for pixels, _ in batches]).reshape(-1, *_PLANES)
        pixels = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        labels = np.concatenate([labels for _, labels in batches]).astype(np.int64)
        count = _CLASSES[self.name]
        stored = Images(self.name, split, pixels, labels, count, self._class_names())
        return resized(stored, image_size)

    def _class_names(self):
        """The names of the classes, of the archive's own file; None if it is not there."""
        layout, file = self.layout, self.folder / self.layout.meta
        try:
            if not layout.meta.endswith(".txt"):
                meta = {_text(key): value for key, value in read_pickle(file).items()}
                names = [_text(name) for name in meta[layout.names]]
            else:
                names = file.read_text().split()
        except (UserError, OSError, KeyError, TypeError, AttributeError, UnicodeError):
            return None
        return tuple(names) if len(names) == _CLASSES[self.name] else None

    def _batch(self, file):
        pixels, labels = self.layout.read(file, self.layout.label)
        check_labels(file, len(pixels), labels, _CLASSES[self.name])
        return pixels, labels
