"""Labelled images by the name of their dataset, in whichever form its files are there."""

import pathlib

from harness.datasets import prepared
from harness.datasets.array_files import ArrayFile, KerasFiles
from harness.datasets.cifar_files import CifarFiles
from harness.datasets.csv_files import CsvFiles
from harness.datasets.digits import Digits
from harness.datasets.folders import ClassFolders
from harness.datasets.idx_files import IdxFiles
from harness.datasets.prepared import Prepared
from harness.datasets.stl_files import StlFiles
from harness.datasets.svhn_files import SvhnFiles
from harness.errors import UserError

# The first that is there is taken. Each has find(name, data_dir), kind(), splits() and
# load(split, image_size); those of encoded images have stream(split, progress).
OFFICIAL = (CifarFiles, IdxFiles, CsvFiles, KerasFiles, SvhnFiles, StlFiles)
FORMS = (Digits, ClassFolders, ArrayFile, Prepared, *OFFICIAL)
STREAMED = (ClassFolders, Prepared)


def load_images(name, split, data_dir=None, image_size=None):
    """Reads a split of a dataset into memory.

    Args:
        name: what to read:

            * "digits": scikit-learn's, without files. They are 1,797 images of 8x8 values from 0
              to 16, scaled to [0, 255]: the first 1,437 are "train", the last 360 are "test".
            * "folder": images as `data_dir`/SPLIT/CLASS/IMAGE.jpg, or less deep, without splits or
              classes, see `ClassFolders`. The split "validation" may be a folder val.
            * "array": images, and labels if there are any, in the .npy or .npz file `data_dir`;
              "array/0:1", "array/-1:1" and "array/0:255" are of floats, see `ArrayFile`.
            * a name of tensorflow-datasets, as "mnist" or "imagenette/160px-v2", that is prepared
              in `data_dir`, with the feature "image" (uint8), and "label" if they have classes.
            * "cifar10", "cifar100", "mnist", "fashion_mnist", "svhn", "stl10" that are not: their
              official files in `data_dir`, see `OFFICIAL`, of MNIST also Kaggle's and Keras'.
        split: name of the split, as "train".
        data_dir: the folder with the dataset's files or folder; unused for "digits".
        image_size: height and width in pixels to which images of another size are resized,
            bilinearly with half-pixel centres, smaller ones antialiased, as Pillow's. None keeps
            the stored size, and is 32 for "digits"; "folder" needs it.

    Returns:
        `Images`, in the order in which they are stored.

    Raises:
        UserError: if there is no such dataset or split, it is damaged, or not of labelled images.
    """
    if image_size is not None and image_size < 1:
        raise UserError(f"--image_size must be at least 1 pixel. Received: image_size={image_size}")
    return _open(name, data_dir).load(split, image_size)


def stream_images(name, split, data_dir=None, progress=None):
    """Opens a split of a dataset whose images are read and decoded one by one.

    Args:
        name: "folder", or a name of tensorflow-datasets that is prepared in `data_dir` as tfrecord
            files; see `load_images`. Their order may differ from that of `load_images`.
        split: name of the split, as "train".
        data_dir: the folder with the dataset's files or folder.
        progress: called with (done, total) while the files are indexed: counts of records, or of
            the classes of "folder".

    Returns:
        `EncodedImages`.

    Raises:
        UserError: if there is no such dataset or split, it is damaged, not of labelled images, or
            has no image files or tfrecords.
    """
    dataset = _open(name, data_dir)
    if not isinstance(dataset, STREAMED):
        raise UserError(
            "A dataset that is read image by image must be 'folder', or prepared by "
            f"tensorflow-datasets. Received: dataset={name!r}, which is read into memory"
        )
    return dataset.stream(split, progress)


def held_out_split(name, data_dir=None):
    """The split that samples are measured against: test, validation or val; None if none is there.

    Args:
        name, data_dir: see `load_images`.
    """
    there = _open(name, data_dir).splits()
    return next((split for split in ("test", "validation", "val") if split in there), None)


def image_kind(name, data_dir=None):
    """Tells the `ImageKind` of a dataset; one of tensorflow-datasets need not be there.

    Args:
        name: see `load_images`.
        data_dir: the folder with the dataset's files or folder; None asks tensorflow-datasets' own
            description.

    Raises:
        UserError: if there is no such dataset, or it is not of labelled images.
    """
    if data_dir or name.partition("/")[0] in ("digits", "folder", "array"):
        return _open(name, data_dir).kind()
    return prepared.described_kind(name)


def _open(name, data_dir):
    """Finds the dataset in the first of `FORMS` that is there."""
    data_dir = pathlib.Path(data_dir) if data_dir else None
    for form in FORMS:
        dataset = form.find(name, data_dir)
        if dataset is not None:
            return dataset
    raise UserError(_not_given(name) if data_dir is None else _not_found(name, data_dir))


def _official(name):
    return " or ".join(filter(None, (form.looked_for(name) for form in OFFICIAL)))


def _not_given(name):
    if name == "folder":
        return "Dataset 'folder' is images as DIR/train/CLASS/IMAGE.jpg: give --data_dir=DIR"
    official = _official(name)
    return (
        f"Dataset {name!r} is read from a folder prepared by tensorflow-datasets"
        f"{f', or with its official files ({official})' if official else ''}: give the folder as "
        f"--data_dir. To prepare it: {prepared.command(name, 'DIR')}; or use --dataset=digits, "
        "which needs no files"
    )


def _not_found(name, data_dir):
    prepare = f"To prepare it, where there is a network: {prepared.command(name, data_dir)}"
    if not data_dir.is_dir():
        return (
            f"--data_dir={data_dir} is not a folder; the dataset {name!r} was looked for in it. "
            f"{prepare}"
        )
    for inside, parent in (("*/features.json", 0), ("features.json", 1)):
        if any(data_dir.glob(inside)):
            return (
                f"--data_dir={data_dir} is the folder of one dataset: give the folder that holds "
                f"the folders of datasets, --data_dir={data_dir.resolve().parents[parent]}"
            )
    files = [*data_dir.glob("*/*/features.json"), *data_dir.glob("*/*/*/features.json")]
    prepared_ones = {"/".join(path.relative_to(data_dir).parts[:-2]) for path in files}
    looked_for = data_dir / (name.replace(":", "/") if ":" in name else f"{name}/VERSION")
    official = _official(name)
    folders = (data_dir / "train").is_dir()
    return (
        f"No prepared dataset {name!r} in --data_dir={data_dir}: no file "
        f"{looked_for}/features.json (datasets there: {', '.join(sorted(prepared_ones)) or 'none'})"
        f"{f', nor its official files ({official})' if official else ''}. "
        f"{'Images as train/CLASS/IMAGE.jpg are --dataset=folder. ' if folders else ''}{prepare}"
    )
