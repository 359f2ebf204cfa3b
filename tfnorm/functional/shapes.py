"""What a tensor's shape must say when a function of it is traced."""

from collections.abc import Sequence

import tensorflow as tf


def known_size(x: tf.Tensor, axis: int = -1) -> int:
    """Reads the size of an axis that no function here can leave open, as the channels' is.

    Raises:
        ValueError: it is not known.
    """
    size = x.shape[axis]
    if size is None:
        raise ValueError(
            f"The size of this axis must be known. Received: axis={axis}, shape={x.shape}"
        )
    return size


def size(x: tf.Tensor, axis: int) -> int | tf.Tensor:
    """Reads the size of an axis: a number where it is known, else a tensor."""
    known = x.shape[axis]
    return tf.shape(x)[axis] if known is None else known


def first_divisor(n: int | tf.Tensor, candidates: Sequence[int]) -> int | tf.Tensor:
    """Chooses the first of the candidates that divides n, which may be a tensor; n if none does."""
    if isinstance(n, int):
        return next((candidate for candidate in candidates if n % candidate == 0), n)
    divisor = n
    for candidate in reversed(candidates):
        divisor = tf.where(tf.equal(tf.math.floormod(n, candidate), 0), candidate, divisor)
    return divisor
