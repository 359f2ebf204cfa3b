"""Training batches as a function of (seed, step): no shuffle buffer, nothing to save but the step.

Sample position p, counted from the first sample of the first step, belongs to epoch p // n. Its
image is number p % n of that epoch's permutation, which is a function of (seed, epoch). So a run
may start at any step at no cost, and every number of replicas sees the same samples.
"""

import itertools

import numpy as np
import tensorflow as tf

from harness.datasets.encoded import EncodedImages, at_size, check_images
from harness.datasets.flow import ahead, mapped
from harness.errors import UserError

# Separates the noise from whatever else a program draws from (seed, step).
_DEQUANTIZATION = 0x64657175

# `tf.random.experimental.index_shuffle` fixes four rounds. Of 60,000 indices they leave neighbours
# visibly ordered: correlation -0.3 two positions apart. Eight do not.
_SHUFFLE_ROUNDS = 8


def shuffled_indices(seed, positions, size):
    """Finds the images at positions of an endless sequence of shuffled epochs.

    Args:
        seed: integer; another seed gives other permutations.
        positions: int64 (k,), positions from 0 counted over all epochs.
        size: number of images n; one epoch is positions e n to (e + 1) n - 1, each image once.

    Returns:
        int64 (k,), indices of images from 0 to n - 1.
    """
    positions = tf.convert_to_tensor(positions, tf.int64)
    size = tf.constant(size, tf.int64)
    epoch = positions // size
    seeds = tf.stack([tf.fill(tf.shape(epoch), np.int64(seed)), epoch, tf.zeros_like(epoch)], 1)
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % size, seed=seeds, max_index=size - 1, rounds=_SHUFFLE_ROUNDS
    )


def deal(share, batch_size, first_step=0):
    """Makes an input function for `tf.distribute.Strategy.distribute_datasets_from_function`.

    Args:
        share: function of a step, int64 (), and of rows of its batch, int64 (B/R,), to an element
            of the dataset.
        batch_size: samples in a batch over all replicas B.
        first_step: the step, counted from 0, with which the endless dataset begins.

    Returns:
        A function of `tf.distribute.InputContext` to a `tf.data.Dataset` whose every element is
        one replica's share of one step, of the R replicas in sync. With L replicas at each of the
        input pipelines, element j of pipeline w belongs to step first_step + j // L and to
        replica r = w L + j % L, which gets the rows from r B/R to (r + 1) B/R of the batch.

        The function raises UserError if R does not divide B.
    """
    if batch_size < 1:
        raise UserError(f"--batch_size must be at least 1. Received: batch_size={batch_size}")

    def dataset(context):
        replicas = context.num_replicas_in_sync
        if batch_size % replicas:
            raise UserError(
                f"--batch_size must be a multiple of {replicas}, the devices that share a batch. "
                f"Received: batch_size={batch_size}"
            )
        local = replicas // context.num_input_pipelines
        rows = batch_size // replicas
        first_replica = context.input_pipeline_id * local

        def element(number):
            replica = first_replica + number % local
            return share(
                first_step + number // local, replica * rows + tf.range(rows, dtype=tf.int64)
            )

        numbers = tf.data.Dataset.counter(dtype=tf.int64)
        return ahead(mapped(numbers, element))

    return dataset


def input_fn(
    images, batch_size, per_step=1, seed=0, first_step=0, dequantize=False, image_size=None
):
    """Makes an input function of shuffled images, scaled to [-1, 1]: see `deal`.

    Args:
        images: `Images`, or `EncodedImages`, which are read and decoded as they are needed.
        batch_size: samples in a batch over all replicas B; batches run across epochs.
        per_step: batches in a step, as discriminator updates.
        seed: integer, of the order and of the noise.
        first_step: the step, counted from 0, with which the endless dataset begins.
        dequantize: whether to add noise of U(0, 1/128) to images of whole numbers, as they are
            stored, as a function of (seed, step). To those that were resized it adds none.
        image_size: height and width in pixels to which encoded images are resized.

    Returns:
        A function of `tf.distribute.InputContext` to a `tf.data.Dataset` of shares, with the rows
        of every one of the step's batches:

        * "images": float32 (per_step, B/R, height, width, channels), from -1 at 0 to 1 at 255;
          up to 1 + 1/128 with noise,
        * "labels": int32 (per_step, B/R).
    """
    with tf.device("CPU:0"):  # Captured once, not a constant in the graph.
        labels = tf.convert_to_tensor(images.labels, tf.int32)
    read, shape = _reader(images, image_size)

    def noise(step):
        # Of the whole batch, whoever asks: so a share does not depend on the replicas.
        key = tf.random.experimental.stateless_fold_in(
            tf.stack([np.int64(seed), step]), _DEQUANTIZATION
        )
        return tf.random.stateless_uniform([per_step, batch_size, *shape], key, maxval=1 / 128)

    def share(step, rows):
        indices = _indices(images, batch_size, per_step, seed, step, rows)
        x, are_whole = read(indices)
        x = x / 127.5 - 1.0
        if dequantize:
            x += tf.gather(noise(step), rows, axis=1) * tf.cast(are_whole, x.dtype)
        return {"images": x, "labels": tf.gather(labels, indices)}

    return deal(share, batch_size, first_step)


def attributed(batches, images, batch_size, per_step=1, seed=0, first_step=0):
    """Yields batches of `input_fn`; an image that cannot be decoded is a `UserError` that names it.

    Args:
        batches: iterable of batches, of one step each.
        images: what they are of.
        batch_size, per_step, seed, first_step: as of `input_fn`.
    """
    batches = iter(batches)
    for step in itertools.count(first_step):
        try:
            batch = next(batches)
        except tf.errors.OpError:
            if isinstance(images, EncodedImages):
                rows = np.arange(batch_size, dtype=np.int64)
                indices = _indices(images, batch_size, per_step, seed, np.int64(step), rows)
                check_images(images, indices.numpy().ravel())
            raise  # It was none of the images.
        yield batch


def _indices(images, batch_size, per_step, seed, step, rows):
    """The images, (per_step, k), at the rows (k,) of a step's batches."""
    batches = step * per_step + tf.range(per_step, dtype=tf.int64)
    positions = (batches * batch_size)[:, tf.newaxis] + rows
    indices = shuffled_indices(seed, tf.reshape(positions, [-1]), len(images.labels))
    return tf.reshape(indices, tf.shape(positions))


def _reader(images, image_size):
    """What reads images by their indices, and the shape of one.

    It gives float32 (per_step, k, height, width, channels) in [0, 255], and whether the values of
    each are the whole numbers that are stored, bool, to be multiplied by those.
    """
    if not isinstance(images, EncodedImages):
        with tf.device("CPU:0"):  # Captured once, not a constant in the graph.
            pixels = tf.convert_to_tensor(images.images)
        are_whole = pixels.dtype == tf.uint8
        return lambda indices: (tf.cast(tf.gather(pixels, indices), tf.float32), are_whole), (
            pixels.shape[1:]
        )
    shape = (image_size, image_size, images.channels)

    def one(index):
        image, is_whole = at_size(images, index, image_size)
        return tf.ensure_shape(image, shape), is_whole

    def read(indices):
        signature = tf.TensorSpec(shape, tf.float32), tf.TensorSpec([], tf.bool)
        pixels, are_whole = tf.map_fn(one, tf.reshape(indices, [-1]), fn_output_signature=signature)
        outer = tf.shape(indices)
        are_whole = tf.reshape(are_whole, tf.concat([outer, [1, 1, 1]], 0))
        return tf.reshape(pixels, tf.concat([outer, shape], 0)), are_whole

    return read, shape
