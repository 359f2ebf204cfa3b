"""Datasets that tensorflow-datasets has prepared."""

import dataclasses
import pathlib
import re
import typing

import numpy as np
import tensorflow as tf

from harness.datasets import records
from harness.datasets.damage import reason
from harness.datasets.decoding import decode
from harness.datasets.encoded import EncodedImages
from harness.datasets.flow import ahead, mapped
from harness.datasets.identity import of_digests, pixel_digests
from harness.datasets.in_memory import Images, empty_pixels, resize
from harness.datasets.labelled import ImageKind, check_labels, check_split
from harness.errors import UserError
from harness.files import plain_name, read_object

_READ_BATCH = 500


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A dataset in the folder `data_dir`/`name`, of the feature "image" (uint8).

    Its "label" is the number of a class; without that feature the images have no classes.
    """

    name: str
    data_dir: pathlib.Path
    builder: typing.Any

    @classmethod
    def find(cls, name, data_dir):
        """Finds the newest version that is in `data_dir`; None if there is none."""
        if not data_dir:
            return None
        is_there = bool(name) and (data_dir / name).is_dir()
        try:
            import tensorflow_datasets as tfds
        except ImportError as error:
            if not is_there:
                return None
            raise UserError(
                f"Dataset {name!r} is read by tensorflow-datasets, which does not import "
                f"({error}); install it: pip install tensorflow-datasets importlib_resources"
            ) from error
        try:
            _check_names(data_dir / re.split("[:/]", name)[0])
            found = cls(name, data_dir, _builder(name, data_dir))
            found._check_paths()
            return found
        except UserError:
            raise
        except Exception as error:  # A damaged description surfaces as one of many types.
            if isinstance(error, tfds.core.DatasetNotFoundError) or not is_there:
                return None
            raise _damaged(name, data_dir, data_dir / name, error) from error

    def kind(self):
        """The `ImageKind` of the images."""
        return described_kind(self.name, self.builder.info.features)

    def splits(self):
        """The names of the splits that there are."""
        return list(self.builder.info.splits)

    def load(self, split, image_size):
        """Reads `Images` in the order in which tensorflow-datasets reads them unshuffled."""
        info = self.builder.info
        self._check_split(split)
        shape = _image_shape(self.name, info.features, image_size)
        count = info.splits[split].num_examples
        resized = image_size is not None and info.features["image"].shape[:2] != shape[:2]
        dtype = np.float32 if resized else np.uint8
        images = empty_pixels(self.name, split, (count, *shape), dtype)
        labels = np.zeros(count, np.int64)
        row, digests = 0, []
        shown = np.empty([0, 0, 0, shape[2]], np.uint8)  # They differ in size.
        try:
            with plain_name(self.data_dir) as folder:
                builder = _builder(self.name, folder)
                for batch in _batches(builder, split, image_size if resized else None):
                    end = row + len(batch["image"])
                    images[row:end] = batch["image"]
                    labels[row:end] = batch.get("label", 0)
                    if resized:
                        digests.append(batch["digest"])
                    row = end
        except (NotImplementedError, ImportError) as error:
            raise UserError(
                f"Dataset {self.name!r} in {self.builder.data_dir} must be in files that "
                f"tensorflow-datasets reads here, as tfrecord. Received: {info.file_format.value} "
                f"({reason(error)}). Prepare it as tfrecord in another folder"
            ) from error
        except (tf.errors.OpError, ValueError, OSError) as error:
            raise _damaged(self.name, self.data_dir, self.builder.data_dir, error) from error
        if row != count:
            error = ValueError(f"{count} images were to be there, and {row} are")
            raise _damaged(self.name, self.data_dir, self.builder.data_dir, error)
        classes = _num_classes(info.features)
        check_labels(self._what(split), count, labels, classes)
        names = _class_names(info.features)
        mark = of_digests(np.concatenate(digests), shown) if resized and digests else None
        return Images(self.name, split, images, labels, classes, names, mark)

    def stream(self, split, progress=None):
        """Lists `EncodedImages` in the order of the record files."""
        import tensorflow_datasets as tfds

        info = self.builder.info
        kind = self.kind()
        self._check_split(split)
        if not (
            info.file_format == tfds.core.FileFormat.TFRECORD
            and isinstance(info.features["image"], tfds.features.Image)
        ):
            raise UserError(
                f"Dataset {self.name!r} in {self.builder.data_dir} must be encoded images in "
                f"tfrecord files to be read one by one. Received: {info.file_format}, "
                f"image={info.features['image']}"
            )
        stored = info.splits[split]
        label = None if kind.num_classes is None else "label"
        index = records.index_records(stored.filepaths, stored.shard_lengths, label, progress)
        check_labels(self._what(split), len(index.labels), index.labels, kind.num_classes)
        image = {"image": info.features.tf_example_spec["image"]}
        return EncodedImages(
            name=self.name,
            split=split,
            labels=index.labels,
            num_classes=kind.num_classes,
            channels=kind.channels,
            encoded=lambda i: tf.io.parse_single_example(index.data(i), image)["image"],
            describe=index.describe,
            class_names=_class_names(info.features),
        )

    def _check_paths(self):
        folder = pathlib.Path(self.builder.data_dir)
        for split in self.builder.info.splits.values():
            for path in split.filepaths:
                if not pathlib.Path(path).resolve().is_relative_to(folder.resolve()):
                    raise UserError(
                        f"Dataset {self.name!r} in {folder} is refused: its files must be in that "
                        f"folder. Received: {path}"
                    )

    def _check_split(self, split):
        check_split(self.name, f" in {self.data_dir}", split, self.builder.info.splits)

    def _what(self, split):
        return f"Split {split!r} of dataset {self.name!r} in {self.data_dir}"


def _check_names(folder):
    """Raises `UserError` if a dataset's description names a class that is not a library's.

    tensorflow-datasets imports the module of each class that features.json names: of any module
    that Python finds from the current directory, a file beside the images among them.
    """
    for file in folder.rglob("features.json"):
        for name in _types_named(read_object(file)):
            if not str(name).startswith("tensorflow_datasets."):
                raise UserError(
                    f"{file} is refused: features must be those of tensorflow_datasets. "
                    f"Received: {name!r}"
                )


def _types_named(value):
    """What a description names as classes, wherever in it."""
    if isinstance(value, list):
        return [name for part in value for name in _types_named(part)]
    if not isinstance(value, dict):
        return []
    keys = ("pythonClassName", "python_class_name", "type")
    own = [value[key] for key in keys if isinstance(value.get(key), str)]
    return own + _types_named(list(value.values()))


def _builder(name, data_dir):
    # `tfds.builder` insists on the version that the installed package knows; this takes the newest
    # that is there, and names without code.
    import tensorflow_datasets as tfds

    return tfds.core.read_only_builder.builder_from_files(name, data_dir=str(data_dir))


def described_kind(name, features=None):
    """Tells the `ImageKind` by features; None takes tensorflow-datasets' own description."""
    if features is None:
        import tensorflow_datasets as tfds

        try:
            features = tfds.builder(name).info.features
        except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
            raise UserError(f"There is no dataset {name!r} without --data_dir.") from error
    channels = _image_shape(name, features, image_size=1)[2]
    height, width, _ = features["image"].shape
    size = (height, width) if height and width else None
    return ImageKind(channels, _num_classes(features), size)


def _num_classes(features):
    """The number of classes; None if the images have none."""
    return features["label"].num_classes if "label" in features else None


def _class_names(features):
    """The names of the classes, a tuple; None without classes, or if they are but numbers."""
    if "label" not in features:
        return None
    names = tuple(features["label"].names or ())
    return None if names == tuple(map(str, range(len(names)))) else names


def command(name, data_dir):
    """Writes the command that prepares a dataset."""
    return (
        'python -c "import tensorflow_datasets as tfds; '
        f'tfds.load({name!r}, data_dir={str(data_dir)!r})"'
    )


def _image_shape(name, features, image_size):
    """Tells (height, width, channels) of the array, checking that these are labelled images."""
    expected = (
        f"Dataset {name!r} must have the feature 'image' (uint8), and 'label', if it has one, must "
        "be a class."
    )
    received = " ".join(str(features).split())
    if not (hasattr(features, "keys") and "image" in features):
        raise UserError(f"{expected} Received: features={received}")
    image = features["image"]
    if not (
        len(image.shape) == 3
        and image.shape[2]
        and np.dtype(image.np_dtype) == np.uint8
        and ("label" not in features or getattr(features["label"], "num_classes", None))
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
    """Reads batches of "image" and "label", if it is there, as NumPy arrays, as they are stored."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    # tensorflow-datasets decodes a JPEG by a faster, less exact transform than others.
    encoded = isinstance(features["image"], tfds.features.Image)
    kept = {"image", "label"} & set(features.keys())
    decoded = kept - {"image"} if encoded else kept
    decoders = {key: tfds.decode.SkipDecoding() for key in set(features.keys()) - decoded}
    if builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD:
        examples = _of_array_records(builder, split, decoders, kept, encoded)
    else:
        examples = builder.as_dataset(split=split, shuffle_files=False, decoders=decoders)

    def wanted(example):
        taken = {key: example[key] for key in kept}
        if encoded:
            taken["image"] = decode(taken["image"], features["image"].shape[2])
        if image_size is not None:
            taken["digest"] = pixel_digests(taken["image"][tf.newaxis])[0]
            taken["image"] = resize(taken["image"], image_size)
        return taken

    return tfds.as_numpy(ahead(mapped(examples, wanted).batch(_READ_BATCH)))


def _of_array_records(builder, split, decoders, kept, encoded):
    """The examples in ArrayRecord files, which tensorflow-datasets has no `tf.data.Dataset` of."""
    source = builder.as_data_source(split, decoders=decoders)
    features = builder.info.features
    signature = {key: tf.TensorSpec(features[key].shape, features[key].tf_dtype) for key in kept}
    if encoded:
        signature["image"] = tf.TensorSpec([], tf.string)

    def rows():
        for number in range(len(source)):
            row = source[number]
            yield {key: row[key] for key in kept}

    return tf.data.Dataset.from_generator(rows, output_signature=signature)


def _damaged(name, data_dir, folder, error):
    if isinstance(error, PermissionError | tf.errors.PermissionDeniedError):
        return UserError(f"Dataset {name!r} in {folder} cannot be read: permission denied")
    return UserError(
        f"Damaged data: dataset {name!r} in {folder} cannot be read "
        f"({type(error).__name__}: {reason(error)}). Delete that folder and prepare it again, "
        f"where there is a network: {command(name, data_dir)}"
    )
