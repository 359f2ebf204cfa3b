"""Kernels that are stacks of matrices: each is for Keras what the kernel of a Dense is."""

import copy
import functools
import typing

import keras
import tensorflow as tf

from tfnorm.layers.arguments import Constraint, Initializer, Regularizer

# Keras defines them for one matrix. A stack they would take for one tall matrix, or refuse.
_OF_ONE_MATRIX = (keras.initializers.Orthogonal, keras.initializers.Identity)


def add_matrices(
    layer: keras.layers.Layer,
    name: str,
    shape: tuple[int, ...],
    initializer: Initializer,
    regularizer: Regularizer | None,
    constraint: Constraint | None,
) -> keras.Variable:
    """Adds a kernel (matrices, inputs, outputs) to a layer.

    The constraint is that of each matrix, and the loss is the sum of the regularizer's of each: of
    `UnitNorm()` each column of each has length 1, of `OrthogonalRegularizer()` the rows of each
    are to be orthogonal.

    Args:
        layer: the layer.
        name: the weight's.
        shape: the kernel's.
        initializer: of all matrices at once, but of each if it is one that makes a matrix:
            `Orthogonal`, `Identity`.
        regularizer, constraint: of a matrix.
    """
    if isinstance(initializer, _OF_ONE_MATRIX):
        initializer = functools.partial(initial_matrices, initializer)
    if isinstance(regularizer, keras.regularizers.OrthogonalRegularizer) and shape[1:] == (1, 1):
        regularizer = None  # Keras' is NaN, a mean over the pairs of rows: there is none
    return layer.add_weight(
        name=name,
        shape=shape,
        initializer=initializer,
        regularizer=regularizer and _Summed(regularizer),
        constraint=constraint and _OfEach(constraint),
    )


def initial_matrices(
    initializer: Initializer, shape: tuple[int, ...], dtype: str, first: int = 0
) -> tf.Tensor:
    """Makes each matrix of a stack by the initializer for itself: the fans are the matrix's.

    Args:
        initializer: of a matrix.
        shape: (matrices, inputs, outputs).
        dtype: of the result.
        first: of the matrices made in all, the number of the first here.
    """
    matrices = []
    for number in range(first, first + shape[0]):
        of_this = copy.copy(initializer)
        # One with a number for a seed returns the same matrix each time.
        if isinstance(of_this, _Seeded) and isinstance(of_this.seed, int):
            of_this.seed += number
        matrices.append(tf.cast(of_this(shape[1:], dtype=dtype), dtype))
    return tf.stack(matrices)


@typing.runtime_checkable
class _Seeded(typing.Protocol):
    """An initializer with a seed: a number, a `keras.random.SeedGenerator` or None."""

    seed: object

    def __call__(self, shape: tuple[int, ...], dtype: str) -> tf.Tensor: ...


# Keras before 3.13 takes no functions for the two.
class _Summed(keras.regularizers.Regularizer):
    """The sum of a regularizer's losses of each matrix."""

    def __init__(self, regularizer: Regularizer):
        self._regularizer = regularizer

    def __call__(self, x: tf.Tensor) -> typing.Any:
        losses = tf.map_fn(
            lambda one: tf.cast(self._regularizer(one), one.dtype), tf.convert_to_tensor(x)
        )
        return tf.reduce_sum(losses)


class _OfEach(keras.constraints.Constraint):
    """A constraint of each matrix."""

    def __init__(self, constraint: Constraint):
        self._constraint = constraint

    def __call__(self, w: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(self._constraint, tf.convert_to_tensor(w))
