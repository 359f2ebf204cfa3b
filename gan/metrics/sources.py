"""The sources of images to measure: arrays, generators, folders and files.

Nothing here needs TensorFlow: who has a SavedModel or encoded images gives functions.
"""

import dataclasses
import pathlib
import typing

import numpy as np

from gan.metrics.evaluation import pixels
from gan.metrics.frechet import gaussian
from gan.metrics.statistics import Statistics, batches

# What may be taken from a file that has both.
STATISTICS, IMAGES = TAKES = ("statistics", "images")

_FOLDER_BATCH = 50


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A source of images to measure.

    Attributes:
        name: what lines and files call them, without the path.
        batches: `batches(count)` yields `count` images in batches (n, height, width, 1 or 3) in
            [0, 255]. Of stored images they are in random order: the first are a random subset, and
            every part is as the whole.
        count: number of images that there are; None: as many as are asked for.
        size: (height, width) of all in pixels; None if it is known with the first batch only.
        split: the `harness.datasets.Images` that they are, if they are such.
        any_size: as `batches`, of images that may differ in size from batch to batch, which
            `batches` refuses; None: they do not.
    """

    name: str
    batches: typing.Callable
    count: int | None
    size: tuple[int, int] | None
    split: typing.Any = None
    any_size: typing.Callable | None = None


def from_array(name, images, split=None, seed=0):
    """Makes the `Source` of an array (n, height, width, 1 or 3) in [0, 255], shuffled by a seed."""
    order = np.random.default_rng(seed).permutation(len(images))

    def shuffled(count):
        return (images[rows] for rows in batches(order[:count]))

    return Source(name, shuffled, len(images), tuple(images.shape[1:3]), split)


def from_split(split, seed=0):
    """Makes the `Source` of `harness.datasets.Images`, shuffled."""
    return from_array(f"{split.name} {split.split}", split.images, split, seed)


def from_generator(name, sample, size=None):
    """Makes the `Source` of `sample(count)`, which yields batches in [-1, 1] as a generator does.

    They are clipped and scaled to [0, 255], and not rounded.
    """
    return Source(name, lambda count: pixels(sample(count)), None, size)


def from_folder(path, files, read, seed=0):
    """Makes the `Source` of the image files in a folder, with the folders in it, shuffled.

    Args:
        path: of the folder.
        files: paths of its images.
        read: `read(path)` gives an image (height, width, 3) in [0, 255].
        seed: of the shuffle.

    Raises:
        ValueError: if there are no images; while it is read, if another differs in size from the
            first.
    """
    path = pathlib.Path(path)
    files = [pathlib.Path(file) for file in files]
    if not files:
        raise ValueError(f"{path} is a folder without images.")
    files = [files[i] for i in np.random.default_rng(seed).permutation(len(files))]
    first = read(files[0])

    def read_like_first(file):
        image = read(file)
        if image.shape != first.shape:
            raise ValueError(
                "The images of a folder must be of one size, or be brought to one by --image_size, "
                "or by a feature network of a fixed size. "
                f"Received: {_size(first)} of {files[0]}, {_size(image)} of {file}"
            )
        return image

    def images(count):
        for start in range(0, count, _FOLDER_BATCH):
            some = files[start : min(start + _FOLDER_BATCH, count)]
            yield np.stack([read_like_first(file) for file in some])

    def any_size(count):
        for start in range(0, count, _FOLDER_BATCH):
            by_size = {}
            for file in files[start : min(start + _FOLDER_BATCH, count)]:
                image = read(file)
                by_size.setdefault(image.shape, []).append(image)
            yield from map(np.stack, by_size.values())

    name = path.resolve().name
    return Source(name, images, len(files), first.shape[:2], any_size=any_size)


def from_npz(path, take=STATISTICS, seed=0):
    """Reads the images, shuffled by a seed, or the statistics in an .npz file.

    Args:
        path: of a file with an array of images, uint8 (n, height, width, 1 or 3), named `images` or
            `arr_0`; or else of statistics, `mean` (d,) and unbiased `covariance` (d, d), or `mu`
            and `sigma`, and if they are known the number of images `count` and the `fingerprint` of
            the network, as `gan.metrics.statistics.save` writes them.
        take: which of the two, `STATISTICS` or `IMAGES`, where a file has both. They need not be of
            the same images: in the files of published FIDs the images are a part of those that the
            statistics are of.

    Returns:
        A `Source`, or `Statistics`.

    Raises:
        ValueError: if there is neither, or the file is damaged, or no images have such statistics.
    """
    path = pathlib.Path(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = _chosen(path, arrays.files, take)
            values = [arrays[name] for name in names]
            known = {name: arrays[name] for name in _OF_STATISTICS if name in arrays.files}
    except (_Nothing, OSError):
        raise
    except Exception as error:  # Damaged files surface as one of many types.
        # NumPy advises to load a pickle that it has refused.
        said = str(error).partition(" If you trust the file")[0]
        raise ValueError(f"{path} is damaged, or no .npz file of numbers: {said}") from error
    side = _CONTENTS[names](path, *values, known, seed)
    if len(set(map(_kind, _found(arrays.files)))) > 1:
        side = dataclasses.replace(side, name=f"{side.name} (its {_kind(names)})")
    return side


def has_both(path):
    """Whether an .npz file has images and statistics."""
    with np.load(path, allow_pickle=False) as arrays:
        return len(set(map(_kind, _found(arrays.files)))) > 1


class _Nothing(ValueError):
    """A file has nothing that can be measured."""


def _chosen(path, names, take):
    """The names in a file, a key of `_CONTENTS`, of what is taken from it."""
    found = sorted(_found(names), key=lambda found: _kind(found) != take)
    if not found:
        known = {"count"}.union(*_CONTENTS)
        raise _Nothing(
            f"{path} must have one of {', '.join(' and '.join(names) for names in _CONTENTS)}. "
            f"Received: {', '.join(name for name in names if name in known) or 'none of these'}"
        )
    return found[0]


def _found(names):
    return [found for found in _CONTENTS if set(found) <= set(names)]


def _kind(names):
    return IMAGES if _CONTENTS[names] is _images else STATISTICS


def _images(path, images, known, seed):
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(
            f"The images in {path} must be uint8 (n, height, width, 1 or 3). "
            f"Received: dtype={images.dtype}, shape={images.shape}"
        )
    return from_array(path.stem, images, seed=seed)


def _statistics(path, mean, covariance, known, seed):
    count, fingerprint = (known.get(name) for name in _OF_STATISTICS)
    if not all(np.issubdtype(array.dtype, np.floating) for array in (mean, covariance)):
        raise ValueError(
            f"The statistics in {path} must be floating-point numbers, a mean (d,) and a "
            f"covariance (d, d). Received: {mean.dtype} {mean.shape}, "
            f"{covariance.dtype} {covariance.shape}"
        )
    try:
        mean, covariance = gaussian(mean, covariance)
    except ValueError as error:
        raise ValueError(f"The statistics in {path} are of no images: {error}") from error
    return Statistics(
        mean,
        covariance,
        None if count is None else _whole(path, count),
        path.stem,
        fingerprint=None if fingerprint is None else str(fingerprint),
    )


def _whole(path, count):
    """The number of images that statistics are of: a covariance is of two or more."""
    number = count.item() if count.ndim == 0 and count.dtype.kind in "iuf" else None
    if number is None or number < 2 or number % 1:
        raise ValueError(
            f"The statistics in {path} must have a count that is a whole number of at least 2, if "
            f"they have one. Received: count={count}"
        )
    return int(number)


def check_comparable(sides, features):
    """Raises `ValueError` for two sides that cannot be compared, before either is measured.

    Args:
        sides: two of `Source` or `Statistics`.
        features: `FeatureNetwork` of the images.
    """
    known = [side for side in sides if isinstance(side, Source) and side.size is not None]
    if not features.resizes and len({side.size for side in known}) > 1:
        received = ", ".join(f"{side.name} {side.size[0]}x{side.size[1]}" for side in known)
        raise ValueError(
            "Features depend on the size of the images: bring both sides to one by --image_size. "
            f"Received: {received}"
        )
    height, width = known[0].size if known else (32, 32)
    for side in sides:
        if isinstance(side, Statistics):
            if side.fingerprint not in (None, features.fingerprint):
                raise ValueError(
                    f"The statistics {side.name} must be of the features by {features.name}, of "
                    "images that are brought to it as these are. Received: those of a network with "
                    f"the fingerprint {side.fingerprint} in place of {features.fingerprint}"
                )
            given = features(np.zeros([1, height, width, 3], np.float32))[0].shape[1]
            if len(side.mean) != given:
                raise ValueError(
                    f"The statistics {side.name} must be of the features by {features.name}. "
                    f"Received: {len(side.mean)} features in place of {given}"
                )


# What a file of statistics may say of them beside.
_OF_STATISTICS = ("count", "fingerprint")

# Names of the arrays that make up a file, and what makes a side of them.
_CONTENTS = {
    ("images",): _images,
    ("arr_0",): _images,
    ("mean", "covariance"): _statistics,
    ("mu", "sigma"): _statistics,
}


def _size(image):
    return f"{image.shape[0]}x{image.shape[1]}"
