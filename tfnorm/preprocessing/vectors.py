"""The vectors in a tensor, along one or several of its axes, and their affine maps."""

import math
import typing

import tensorflow as tf


class Layout(typing.NamedTuple):
    """Where vectors are in a tensor: along `axes`, ascending and positive, of these sizes."""

    rank: int
    axes: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def others(self) -> list[int]:
        """The axes that number the vectors."""
        return [axis for axis in range(self.rank) if axis not in self.axes]

    def to_rows(self, x: tf.Tensor) -> tf.Tensor:
        """The vectors as rows (n, features)."""
        return tf.reshape(tf.transpose(x, [*self.others, *self.axes]), [-1, math.prod(self.sizes)])

    def from_rows(self, rows: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
        """Undoes `to_rows`, with the sizes of the other axes."""
        x = tf.reshape(rows, tf.concat([others, self.sizes], 0))
        return tf.transpose(x, self.places)

    @property
    def places(self) -> list[int]:
        """Where each axis is in (*others, *axes)."""
        order = [*self.others, *self.axes]
        return [order.index(axis) for axis in range(self.rank)]


def whiten(rows: tf.Tensor, mean: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Computes `W (x - mean)` of rows x, (n, features), by W^T (features, components).

    They are centred first: a product with rows whose mean is large for their deviations would lose
    the digits that these are in.
    """
    return tf.matmul(rows - mean, matrix)


def restore(rows: tf.Tensor, mean: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Computes `V y + mean` of rows y, (n, components), by V^T (components, features)."""
    return tf.matmul(rows, matrix) + mean
