"""What a run is made of, from a configuration: images, their scaling, the network."""

import typing

import tensorflow as tf

from classify.augmentations import AUGMENTATIONS, CHANNELS
from classify.scalings import Scaling, make_scaling
from classify.trainer import Trainer
from harness.datasets import EncodedImages, Images, image_kind, load_images, stream_images
from harness.datasets.labelled import check_alike
from harness.datasets.taking import line, some
from harness.errors import UserError
from harness.networks import check_memory, making_networks
from harness.run.actions import Progress


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


def prepare(config, strategy, trainer_class=Trainer, take=some, check_data=None):
    """Makes all that a run needs before it begins, so that a mistake costs nothing.

    Args:
        config: a `config.Config`.
        strategy: a `tf.distribute` strategy.
        trainer_class: `Trainer`, or what an experiment has in its place.
        take: of the training images, of their number and a seed, what is trained on.
        check_data: `f(training, test)`, called with the images before the network is made.

    Raises:
        UserError: there is no such data or network.
    """
    training, test = (open_split(config, split) for split in ("train", config.test_split))
    if test.num_classes != training.num_classes:
        raise UserError(
            f"The splits of {config.dataset} must have the same classes. Received: "
            f"{training.num_classes} in train, {test.num_classes} in {config.test_split}"
        )
    check_alike(training, test)
    there = len(training.labels)
    training = take(training, config.train_size, config.seed)
    if len(training.labels) < there:
        print(line(f"{config.dataset} train", len(training.labels), there, config.seed))
    if check_data is not None:
        check_data(training, test)
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
    epoch = max(1, round(count / config.batch_size))
    steps = run_steps(config, count)
    trainer = _make(trainer_class, config, shape, training.num_classes, steps, strategy)
    return Parts(trainer, training, test, scaling, steps, epoch)


def run_steps(config, count):
    """Steps of a run on so many training images, those of the configuration or of its epochs."""
    return config.steps or max(1, round(config.epochs * count / config.batch_size))


def make_trainer(config, strategy):
    """The `Trainer` for a dataset's images, which need not be there if their size is known."""
    kind = image_kind(config.dataset, config.data_dir)
    size = kind.size if config.image_size is None else (config.image_size, config.image_size)
    if size is None:
        raise UserError(
            f"The images of {config.dataset} differ in size: give the one to use as --image_size."
        )
    _check_classes(kind.num_classes, config)
    shape = (*size, CHANNELS if _is_streamed(config) else kind.channels)
    return _make(Trainer, config, shape, kind.num_classes, config.steps or 1, strategy)


def _check_classes(num_classes, config):
    """Raises `UserError` if images have no classes."""
    if num_classes is None:
        raise UserError(
            "A classifier needs images with classes, as DIR/train/CLASS/IMAGE. Received: images in "
            f"--data_dir={config.data_dir} without"
        )


def _make(trainer_class, config, *arguments):
    with making_networks():
        trainer = trainer_class(config, *arguments)
        check_memory(trainer.models, config.batch_size)
    return trainer


def _is_streamed(config):
    """Whether images are decoded as they are read."""
    return AUGMENTATIONS[config.augmentation].decodes


def open_split(config, split):
    """The `Images` of a split, or `EncodedImages` where they are cropped as they are read.

    Raises:
        UserError: there is no such split, or its images have no classes.
    """
    if not _is_streamed(config):
        images = load_images(config.dataset, split, config.data_dir, config.image_size)
    elif config.image_size is None:
        raise UserError(f"--augmentation={config.augmentation} needs --image_size.")
    else:
        progress = Progress(f"files of {config.dataset} {split}")
        images = stream_images(config.dataset, split, config.data_dir, progress)
    _check_classes(images.num_classes, config)
    return images
