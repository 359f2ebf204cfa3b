"""Labelled images of a named dataset, a whole split in memory."""

import dataclasses
import pathlib
import re
import typing

import numpy as np
import tensorflow as tf

from tfnorm.training.program import UserError

_DIGITS_TRAINING = 1437
_DIGITS_SIZE = 32
_READ_BATCH = 500


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """One split of a dataset.

    Attributes:
        name: name of the dataset.
        split: name of the split.
        images: (n, height, width, channels) in [0, 255]; uint8 as stored, float32 if the values
            are not integral (resized images, and `digits`).
        labels: int64 (n,), from 0 to `num_classes - 1`.
        num_classes: number of classes of the dataset.
    """

    name: str
    split: str
    images: np.ndarray = dataclasses.field(repr=False)
    labels: np.ndarray = dataclasses.field(repr=False)
    num_classes: int


def load_images(name, split, data_dir=None, image_size=None):
    """Reads a split of `digits`, which needs no files, or of a prepared dataset.

    `digits` are scikit-learn's 1,797 images of 8x8 values from 0 to 16, scaled to [0, 255]: the
    first 1,437 are "train", the last 360 are "test". Every other name is a dataset that
    tensorflow-datasets has prepared in `data_dir`, with the features "image" (uint8) and "label".

    Args:
        name: "digits", or a name of tensorflow-datasets, as "mnist" or "imagenette/160px-v2".
        split: name of the split, as "train".
        data_dir: the folder that holds the folder `name`; unused for `digits`.
        image_size: height and width in pixels to which images of another size are resized,
            bilinearly with half-pixel centres, as `tf.image.resize`, and without antialiasing.
            None keeps the stored size, and is 32 for `digits`.

    Returns:
        `Images`, in the order in which they are stored.

    Raises:
        UserError: if there is no such dataset or split, it is damaged, or not of labelled images.
    """
    if image_size is not None and image_size < 1:
        raise UserError(f"--image_size must be at least 1 pixel. Received: image_size={image_size}")
    if name == "digits":
        return _digits(split, image_size or _DIGITS_SIZE)
    return _prepared(name, split, data_dir, image_size)


class Kind(typing.NamedTuple):
    """What a dataset's images are: channels, and classes."""

    channels: int
    num_classes: int


def image_kind(name, data_dir=None):
    """The `Kind` of a dataset's images, which need not be there.

    Args:
        name: see `load_images`.
        data_dir: the folder that holds the folder `name`; None asks tensorflow-datasets' own
            description.

    Raises:
        UserError: if there is no such dataset, or it is not of labelled images.
    """
    if name == "digits":
        return Kind(1, 10)
    if data_dir:
        builder = _builder(name, data_dir)
    else:
        import tensorflow_datasets as tfds

        try:
            builder = tfds.builder(name)
        except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
            raise UserError(f"There is no dataset {name!r} without --data_dir.") from error
    features = builder.info.features
    return Kind(_image_shape(name, features, image_size=1)[2], features["label"].num_classes)


def _digits(split, image_size):
    rows = {"train": slice(_DIGITS_TRAINING), "test": slice(_DIGITS_TRAINING, None)}
    if split not in rows:
        raise UserError(f"Dataset 'digits' has the splits {list(rows)}. Received: split={split!r}")
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError(
            f"Dataset 'digits' comes with scikit-learn, which does not import ({error}); install "
            "it: pip install scikit-learn"
        ) from error
    images, labels = load_digits(return_X_y=True)
    images = images[rows[split]].reshape(-1, 8, 8, 1).astype(np.float32) * np.float32(255 / 16)
    if image_size != 8:
        images = _resize(images, image_size).numpy()
    return Images("digits", split, images, labels[rows[split]].astype(np.int64), 10)


def _resize(images, image_size):
    return tf.image.resize(images, [image_size, image_size], method="bilinear")


def _prepared(name, split, data_dir, image_size):
    """`load_images` for a dataset that tensorflow-datasets has prepared in `data_dir`."""
    if not data_dir:
        raise UserError(
            f"Dataset {name!r} is read from a folder prepared by tensorflow-datasets: give the "
            f"folder as --data_dir. To prepare it: {_command(name, 'DIR')}; or use "
            "--dataset=digits, which needs no files"
        )
    builder = _builder(name, data_dir)
    info = builder.info
    if split not in info.splits:
        raise UserError(
            f"Dataset {name!r} in {data_dir} has the splits {sorted(info.splits)}. "
            f"Received: split={split!r}"
        )
    shape = _image_shape(name, info.features, image_size)
    count = info.splits[split].num_examples
    resized = image_size is not None and info.features["image"].shape[:2] != shape[:2]
    images = np.empty((count, *shape), np.float32 if resized else np.uint8)
    labels = np.empty(count, np.int64)
    row = 0
    try:
        for batch in _batches(builder, split, image_size if resized else None):
            end = row + len(batch["label"])
            images[row:end] = batch["image"]
            labels[row:end] = batch["label"]
            row = end
    except (tf.errors.OpError, ValueError, OSError) as error:
        raise _damaged(name, data_dir, builder.data_dir, error) from error
    classes = info.features["label"].num_classes
    if not (count and 0 <= labels.min() and labels.max() < classes):
        raise UserError(
            f"Split {split!r} of dataset {name!r} in {data_dir} must have images with labels from "
            f"0 to {classes - 1}. Received: {count} images, labels={np.unique(labels)[:5]}"
        )
    return Images(name, split, images, labels, classes)


def _builder(name, data_dir):
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(
            f"Dataset {name!r} is read by tensorflow-datasets, which does not import ({error}); "
            "install it: pip install tensorflow-datasets importlib_resources"
        ) from error
    # `tfds.builder` insists on the version that the installed package knows; this takes the
    # newest that is there, and names without code.
    find = tfds.core.read_only_builder.builder_from_files
    try:
        return find(name, data_dir=str(data_dir))
    except Exception as error:  # A damaged description surfaces as one of many types.
        folder = pathlib.Path(data_dir) / name
        if isinstance(error, tfds.core.DatasetNotFoundError) or not (name and folder.is_dir()):
            raise UserError(_not_found(name, pathlib.Path(data_dir))) from error
        raise _damaged(name, data_dir, folder, error) from error


def _image_shape(name, features, image_size):
    """(height, width, channels) of the array, after a check that these are labelled images."""
    expected = f"Dataset {name!r} must have the features 'image' (uint8) and 'label' (a class)."
    received = " ".join(str(features).split())
    if not (hasattr(features, "keys") and {"image", "label"} <= set(features.keys())):
        raise UserError(f"{expected} Received: features={received}")
    image, label = features["image"], features["label"]
    if not (
        len(image.shape) == 3
        and image.shape[2]
        and np.dtype(image.np_dtype) == np.uint8
        and getattr(label, "num_classes", None)
    ):
        raise UserError(f"{expected} Received: features={received}")
    height, width, channels = image.shape
    if image_size is not None:
        return image_size, image_size, channels
    if not (height and width):
        raise UserError(
            f"The images of dataset {name!r} differ in size: give the one to use as --image_size. "
            f"Received: image_size=None, image shape {image.shape}"
        )
    return height, width, channels


def _batches(builder, split, image_size):
    """Batches of the features "image" and "label" as NumPy arrays, in the order stored."""
    import tensorflow_datasets as tfds

    others = set(builder.info.features.keys()) - {"image", "label"}
    decoders = {key: tfds.decode.SkipDecoding() for key in others}
    examples = builder.as_dataset(split=split, shuffle_files=False, decoders=decoders)

    def wanted(example):
        image = example["image"]
        if image_size is not None:
            image = _resize(image, image_size)
        return {"image": image, "label": example["label"]}

    examples = examples.map(wanted, num_parallel_calls=tf.data.AUTOTUNE)
    return tfds.as_numpy(examples.batch(_READ_BATCH).prefetch(2))


def _command(name, data_dir):
    return (
        'python -c "import tensorflow_datasets as tfds; '
        f'tfds.load({name!r}, data_dir={str(data_dir)!r})"'
    )


def _not_found(name, data_dir):
    prepare = f"To prepare it, where there is a network: {_command(name, data_dir)}"
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
    found = {"/".join(path.relative_to(data_dir).parts[:-2]) for path in files}
    looked_for = data_dir / (name.replace(":", "/") if ":" in name else f"{name}/VERSION")
    return (
        f"No prepared dataset {name!r} in --data_dir={data_dir}: no file "
        f"{looked_for}/features.json (datasets there: {', '.join(sorted(found)) or 'none'}). "
        f"{prepare}"
    )


def _damaged(name, data_dir, folder, error):
    if isinstance(error, PermissionError | tf.errors.PermissionDeniedError):
        return UserError(f"Dataset {name!r} in {folder} cannot be read: permission denied")
    reason = getattr(error, "message", str(error))
    reason = " ".join(re.sub(r"\{\{.*?\}\}|\[Op:.*", "", reason).split())
    return UserError(
        f"Damaged data: dataset {name!r} in {folder} cannot be read "
        f"({type(error).__name__}: {reason[:200]}). Delete that folder and prepare it again, "
        f"where there is a network: {_command(name, data_dir)}"
    )
