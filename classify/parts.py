"""What a run is made of, from a configuration: images, their scaling, the network."""

import dataclasses
import typing
import zlib

import tensorflow as tf

from classify.augmentations import AUGMENTATIONS, CHANNELS
from classify.scalings import Scaling, make_scaling
from classify.trainer import Trainer
from harness.datasets import (
    EncodedImages,
    Images,
    image_kind,
    load_images,
    stream_images,
)
from harness.errors import UserError
from harness.run import actions


class Parts(typing.NamedTuple):
    """What a run is made of.

    Attributes:
        steps: of the run.
        epoch: steps in an epoch, at least 1.
    """

    trainer: Trainer
    training: Images | EncodedImages
    test: Images | EncodedImages
    scaling: Scaling
    steps: int
    epoch: int

    @property
    def data(self):
        """What the images are, in a dict: with other ones a run does not go on."""
        found = {"num_classes": self.training.num_classes}
        for name, images in (("train", self.training), ("test", self.test)):
            found[f"{name}_images"] = len(images.labels)
            found[f"{name}_labels_crc32"] = zlib.crc32(images.labels.tobytes())
        return found


def prepare(config, strategy, make_trainer=Trainer):
    """Makes all that a run needs before it begins, so that a mistake costs nothing.

    Args:
        config: a `config.Config`.
        strategy: a `tf.distribute` strategy.
        make_trainer: `Trainer`, or what an experiment has in its place.

    Raises:
        UserError: there is no such data or network.
    """
    training, test = (open_split(config, split) for split in ("train", config.test_split))
    if test.num_classes != training.num_classes:
        raise UserError(
            f"The splits of {config.dataset} must have the same classes. Received: "
            f"{training.num_classes} in train, {test.num_classes} in {config.test_split}"
        )
    training = first(training, config.train_size)
    if isinstance(training, Images):
        shape = training.images.shape[1:]
    else:
        shape = (config.image_size, config.image_size, CHANNELS)
    try:
        scaling = make_scaling(config.input_scaling, training)
        scaling(tf.zeros(shape))  # fails here if it is of other images
    except ValueError as error:
        raise UserError(str(error)) from error
    count = len(training.labels)
    steps = config.steps or max(1, round(config.epochs * count / config.batch_size))
    trainer = _make(make_trainer, config, shape, training.num_classes, steps, strategy)
    return Parts(trainer, training, test, scaling, steps, max(1, round(count / config.batch_size)))


def describe_network(config, strategy):
    """The `Trainer` for a dataset's images, which need not be there if their size is known."""
    kind = image_kind(config.dataset, config.data_dir)
    streamed = _is_streamed(config)
    size = kind.size if config.image_size is None else (config.image_size, config.image_size)
    if size is None:
        raise UserError(
            f"The images of {config.dataset} differ in size: give the one to use as --image_size."
        )
    shape = (*size, CHANNELS if streamed else kind.channels)
    return _make(Trainer, config, shape, kind.num_classes, config.steps or 1, strategy)


def _make(make_trainer, config, *arguments):
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    try:
        return make_trainer(config, *arguments)
    except (ValueError, tf.errors.ResourceExhaustedError) as error:
        raise UserError(str(error)) from error


def _is_streamed(config):
    """Whether images are decoded as they are read."""
    if config.augmentation not in AUGMENTATIONS:
        raise UserError(
            f"`augmentation` must be one of {list(AUGMENTATIONS)}. "
            f"Received: augmentation={config.augmentation!r}"
        )
    return AUGMENTATIONS[config.augmentation].decodes


def open_split(config, split):
    """The `Images` of a split, or `EncodedImages` where they are cropped as they are read."""
    if not _is_streamed(config):
        return load_images(config.dataset, split, config.data_dir, config.image_size)
    if config.image_size is None:
        raise UserError(f"--augmentation={config.augmentation} needs --image_size.")
    progress = actions.Progress(f"files of {config.dataset} {split}")
    return stream_images(config.dataset, split, config.data_dir, progress)


def first(images, count):
    """The first images, or all if `count` is None."""
    if count is None:
        return images
    there = len(images.labels)
    if count > there:
        raise UserError(
            f"--train_size is at most the {there} images of {images.name} {images.split}. "
            f"Received: train_size={count}"
        )
    fields = {"labels": images.labels[:count]}
    if isinstance(images, Images):
        fields["images"] = images.images[:count]
    return dataclasses.replace(images, **fields)


def taken(images, rows):
    """The images with these indices, in their order, as `Images` or `EncodedImages`."""
    if isinstance(images, Images):
        fields = {"images": images.images[rows]}
    else:
        with tf.device("CPU:0"):  # Captured once, not a constant in the graph.
            indices = tf.convert_to_tensor(rows)
        fields = {
            "encoded": lambda index: images.encoded(tf.gather(indices, index)),
            "describe": lambda index: images.describe(rows[index]),
        }
    return dataclasses.replace(images, labels=images.labels[rows], **fields)
