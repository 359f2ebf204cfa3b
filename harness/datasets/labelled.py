"""The kind, splits and labels of labelled images, however these are stored."""

import typing

import numpy as np

from harness.errors import UserError, some_of

# Names of the classes that are digits.
DIGITS = tuple("0123456789")
# Of the datasets that are distributed as MNIST is.
MNIST_CLASSES = {
    "mnist": DIGITS,
    "fashion_mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}


class ImageKind(typing.NamedTuple):
    """The kind of a dataset's images, for which a network is built.

    Attributes:
        channels: of an image.
        num_classes: number of classes of the dataset; None: the images have none.
        size: (height, width) in pixels; None if the images differ in it.
    """

    channels: int
    num_classes: int | None
    size: tuple[int, int] | None = None


def check_split(name, where, split, splits):
    """Raises UserError if the dataset `name`, stored in `where`, has no such split.

    Args:
        name: of the dataset.
        where: where it is stored, as " in DIR"; "" for one that needs no files.
        split: name of the wanted split.
        splits: names of the splits that there are.
    """
    if split not in splits:
        raise UserError(
            f"Dataset {name!r}{where} has the splits {sorted(splits)}. Received: split={split!r}"
        )


def check_labels(what, count, labels, num_classes):
    """Raises UserError unless `what` has images, at least one, and every image a label of a class.

    Args:
        what: names the images, as "Split 'train' of dataset 'mnist' in DIR".
        count: number of images.
        labels: integers (n,).
        num_classes: number of classes; None: the images have none.
    """
    if num_classes is None:
        if not count:
            raise UserError(f"{what} must have images. Received: 0 images")
        return
    rule = f"{what} must have images, each with a label from 0 to {num_classes - 1}."
    if not (count and len(labels) == count):
        raise UserError(f"{rule} Received: {count} images, {len(labels)} labels")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise UserError(f"{rule} Received: labels from {labels.min()} to {labels.max()}")


def check_alike(training, test):
    """Raises UserError if splits in memory have images of two sizes, or of two kinds of channels.

    Args:
        training, test: `Images`; of `EncodedImages` all are decoded alike.
    """
    shapes = [getattr(split, "images", np.zeros(0)).shape[1:] for split in (training, test)]
    if all(shapes) and shapes[0] != shapes[1]:
        there = ", ".join(
            f"{'x'.join(map(str, shape))} in {split.split}"
            for shape, split in zip(shapes, (training, test), strict=True)
        )
        raise UserError(
            f"The splits of {training.name} must have images of one size, which --image_size gives "
            f"them, and of as many channels. Received: {there}"
        )


def line_of_missing(images):
    """Says which classes have none of some images to train on; None if each has one."""
    if images.num_classes is None:
        return None
    counts = np.bincount(images.labels, minlength=images.num_classes)
    names = images.class_names or range(images.num_classes)
    missing = [str(name) for name, count in zip(names, counts, strict=True) if not count]
    if not missing:
        return None
    return (
        f"{images.name} {images.split} has no image of {len(missing)} of its {len(counts)} classes "
        f"({some_of(missing)}): what is made or told of these is not learnt."
    )
