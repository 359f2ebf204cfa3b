"""Sums and means of rows, over one replica or over all."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfnorm.functional.shapes import first_divisor, size

# Sums each tensor of a list over replicas.
SumReplicas = Callable[[list[tf.Tensor]], list[tf.Tensor]]


# Rows that are summed by themselves first: the more terms a sum has, the more digits it loses.
_RUN = 1024


def column_sums(rows: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Sums rows (n, channels), each times its weight (n,), to (channels,).

    A product with ones, or with the weights, is faster than a reduction.
    """
    n = size(rows, 0)
    if weights is None:
        weights = tf.ones([n], rows.dtype)
    if isinstance(n, int) and n <= _RUN:
        return tf.matmul(weights[tf.newaxis], rows)[0]
    run = first_divisor(n, [_RUN])
    weights = tf.reshape(weights, [n // run, 1, run])
    runs = tf.reshape(rows, [n // run, run, rows.shape[1]])
    return tf.reduce_sum(tf.matmul(weights, runs), [0, 1])


def count(rows: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Counts rows, n in their dtype, or sums their weights (n,)."""
    return tf.cast(tf.shape(rows)[0], rows.dtype) if weights is None else tf.reduce_sum(weights)


def one_replica(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """Sums a list of tensors over one replica: the tensors."""
    return tensors


def all_replicas(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """Sums a list of tensors over all replicas of the current tf.distribute strategy.

    All of them in one collective: between machines what counts is how many there are, not how much
    is in them. Outside `strategy.run` there is one replica, and nothing to sum.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors
    packed = tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0)
    sums = context.all_reduce(tf.distribute.ReduceOp.SUM, packed)
    parts = tf.split(sums, [tf.size(tensor) for tensor in tensors])
    return [tf.reshape(part, tf.shape(tensor)) for part, tensor in zip(parts, tensors, strict=True)]


def moving_average(
    old: Sequence[tf.Tensor], new: Sequence[tf.Tensor], momentum: float
) -> list[tf.Tensor]:
    """Averages `momentum * old + (1 - momentum) * new` (Keras' sense), over lists of tensors.

    Where any of the new statistics is not finite the old ones are kept, all of them, so that one
    bad batch does not spoil inference for good. With a momentum of 0 it is the new ones to the last
    digit, whatever the old ones are.
    """
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(value)) for value in new])
    return [
        tf.where(
            finite, before + (after - before) * (1.0 - momentum) if momentum else after, before
        )
        for before, after in zip(old, new, strict=True)
    ]
