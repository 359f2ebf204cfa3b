"""Images as a classifier is trained and evaluated on: ordered, augmented, scaled, in batches."""

import itertools

import numpy as np
import tensorflow as tf

from classify.augmentations import AUGMENTATIONS, central_crop
from harness.datasets import Images, check_images
from harness.datasets.batches import deal, shuffled_indices
from harness.datasets.flow import ahead, mapped

# Separates the augmentation from whatever else a program draws from (seed, step).
_AUGMENTATION = 0x61756772


def training_input_fn(
    images, batch_size, augmentation, scaling, *, image_size=None, seed=0, first_step=0
):
    """Makes an input function of shuffled, augmented, scaled images: see `batches.deal`.

    A sample is a function of (seed, step, row in the batch of B), however many replicas there are
    and whichever step was the first.

    Args:
        images: `Images`, or `EncodedImages`.
        batch_size: samples in a batch over all replicas B; batches run across epochs.
        augmentation: name in `AUGMENTATIONS`: "resized_crop_flip" for `EncodedImages`, any other
            for `Images`.
        scaling: `Scaling`.
        image_size: height and width in pixels; None is for `Images`, which have a size.
        seed: integer, of the order and of the augmentation.
        first_step: the step, counted from 0, with which the endless dataset begins.

    Returns:
        A function of `tf.distribute.InputContext` to an endless `tf.data.Dataset` whose every
        element is one replica's share of one step, of the R replicas in sync:

        * "images": float32 (B/R, height, width, channels), scaled,
        * "labels": int32 (B/R,).
    """
    if augmentation not in AUGMENTATIONS:
        raise ValueError(
            f"`augmentation` must be one of {sorted(AUGMENTATIONS)}. "
            f"Received: augmentation={augmentation!r}"
        )
    augment = AUGMENTATIONS[augmentation]
    in_memory = _check(images, image_size)
    if augment.decodes == in_memory:
        stored = "in memory" if augment.decodes else "that are decoded as they are read"
        others = sorted(
            name for name, other in AUGMENTATIONS.items() if other.decodes != augment.decodes
        )
        raise ValueError(
            f"`augmentation` must be one of {others} for images {stored}. "
            f"Received: augmentation={augmentation!r}"
        )

    def drawn(step, rows):
        # Of the whole batch, whoever asks: so a share does not depend on the replicas.
        key = tf.random.experimental.stateless_fold_in(
            tf.stack([np.int64(seed), step]), _AUGMENTATION
        )
        numbers = tf.random.stateless_uniform([batch_size, augment.numbers], key)
        indices = _indices(images, batch_size, seed, step, rows)
        return indices, tf.gather(numbers, rows)

    if in_memory:
        return _from_memory(images, augment, scaling, drawn, batch_size, first_step)
    return _from_files(images, augment, scaling, drawn, batch_size, first_step, image_size)


def _from_memory(images, augment, scaling, drawn, batch_size, first_step):
    pixels, labels = _captured(images.images), _captured(images.labels)

    def share(step, rows):
        indices, numbers = drawn(step, rows)
        x = tf.gather(pixels, indices)
        if augment.takes == "raw":
            x = scaling(augment.function(x, numbers))
        else:
            x = augment.function(scaling(x), numbers)
        return {"images": x, "labels": tf.cast(tf.gather(labels, indices), tf.int32)}

    return deal(share, batch_size, first_step)


def _from_files(images, augment, scaling, drawn, batch_size, first_step, image_size):
    labels = _captured(images.labels)

    def sample(index, numbers):
        x = augment.function(images.encoded(index), numbers, image_size)
        return {"images": scaling(x), "labels": tf.cast(tf.gather(labels, index), tf.int32)}

    shares = deal(drawn, batch_size, first_step)

    def dataset(context):
        samples = mapped(shares(context).unbatch(), sample)
        share = batch_size // context.num_replicas_in_sync
        return ahead(samples.batch(share, drop_remainder=True))

    return dataset


def evaluation_batches(images, scaling, batch_size=200, image_size=None):
    """Batches every image once, in the order stored, scaled.

    Args:
        images: `Images`, or `EncodedImages`, of which `augmentations.central_crop` is taken.
        scaling: `Scaling`.
        batch_size: images in a batch; the last one has what is left.
        image_size: height and width in pixels; None is for `Images`, which have a size.

    Returns:
        `tf.data.Dataset` of "images", float32 (b, height, width, channels), scaled, and "labels",
        int32 (b,).
    """
    in_memory = _check(images, image_size)
    labels = _captured(images.labels)
    indices = tf.data.Dataset.range(len(images.labels))
    if in_memory:
        pixels = _captured(images.images)
        batches = indices.batch(batch_size)
        batches = mapped(batches, lambda batch: (tf.gather(pixels, batch), batch))
    else:
        samples = mapped(
            indices, lambda index: (central_crop(images.encoded(index), image_size), index)
        )
        batches = samples.batch(batch_size)

    def scaled(x, batch):
        return {"images": scaling(x), "labels": tf.cast(tf.gather(labels, batch), tf.int32)}

    return ahead(mapped(batches, scaled))


def named_evaluation_batches(images, scaling, image_size=None, batch_size=200):
    """Batches as `evaluation_batches`; an image that cannot be decoded is named."""
    batches = evaluation_batches(images, scaling, batch_size, image_size)
    return attributed(batches, images, batch_size)


def scaled_images(images, scaling, image_size=None, batch_size=200):
    """Collects all that `evaluation_batches` gives in an array, float32 (n, h, w, channels).

    An image that cannot be decoded is named.
    """
    scaled, start = None, 0
    for batch in named_evaluation_batches(images, scaling, image_size, batch_size):
        pixels = batch["images"].numpy()
        if scaled is None:
            scaled = np.empty((len(images.labels), *pixels.shape[1:]), pixels.dtype)
        scaled[start : start + len(pixels)] = pixels
        start += len(pixels)
    return scaled


def attributed(batches, images, batch_size, seed=None, first_step=0):
    """Yields batches, where an image that cannot be decoded raises a `UserError` that names it.

    Args:
        batches: iterable of batches of `training_input_fn`, of one step each, or of
            `evaluation_batches`.
        images: `EncodedImages` that they are of; batches of `Images` pass.
        batch_size: of all replicas.
        seed: of training; None is the order of evaluation.
        first_step: number of the first batch.

    Yields:
        The batches, as they come.
    """
    batches = iter(batches)
    rows = np.arange(batch_size, dtype=np.int64)
    for step in itertools.count(first_step):
        try:
            batch = next(batches)
        except StopIteration:
            return
        except tf.errors.OpError:
            if not isinstance(images, Images):
                if seed is None:
                    indices = step * batch_size + rows
                    indices = indices[indices < len(images.labels)]
                else:
                    indices = _indices(images, batch_size, seed, step, rows)
                check_images(images, indices)
            raise  # It was none of the images.
        yield batch


def _check(images, image_size):
    """Tells whether the images are in memory, after a check of the size."""
    if not isinstance(images, Images):
        if image_size is None:
            raise ValueError(
                "`image_size` must be given for images that are decoded as they are read. "
                "Received: image_size=None"
            )
        return False
    height, width = images.images.shape[1:3]
    if image_size not in (None, height) or image_size not in (None, width):
        raise ValueError(
            f"`image_size` must be that of the images in memory, {height}x{width}, or None. "
            f"Received: image_size={image_size}"
        )
    return True


def _indices(images, batch_size, seed, step, rows):
    return shuffled_indices(seed, step * batch_size + rows, len(images.labels))


def _captured(array):
    with tf.device("CPU:0"):  # Captured once, not a constant in the graph.
        return tf.convert_to_tensor(array)
