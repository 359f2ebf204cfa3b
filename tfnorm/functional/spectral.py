"""Largest singular values of linear maps: of matrices by power iteration, of diagonals at once.

Reference: Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018,
https://arxiv.org/abs/1802.05957.
"""

from collections.abc import Sequence

import tensorflow as tf


def spectral_norm(
    matrix: tf.Tensor, u: tf.Tensor, iterations: int = 1
) -> tuple[tf.Tensor, tf.Tensor]:
    """Estimates `sigma = u^T W v`, differentiable with respect to W with u and v held constant.

    Each iteration is `v = l2n(W^T u)`, `u = l2n(W v)`. With u and v the singular vectors,
    `d sigma / dW = u v^T`. The paper's Algorithm 1 and equation (9).

    ```python
    matrix = tf.constant([[3.0, 0.0], [0.0, 1.0]])
    sigma, u = tfnorm.functional.spectral_norm(matrix, tf.constant([1.0, 1.0]), iterations=20)
    assert np.allclose(sigma, 3.0)
    ```

    Args:
        matrix: W, (..., rows, columns): one matrix, or a stack of them.
        u: (..., rows), the left vector of the last call, of any length but 0.
        iterations: power iterations; 0 keeps u's direction.

    Returns:
        `(sigma, u)`: sigma, (...), a scalar for one matrix; u, (..., rows), of length 1 (0 where W
        is 0), without gradient.

    Reference:
        Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018,
        https://arxiv.org/abs/1802.05957, Algorithm 1 and equation (9).
    """
    held = tf.stop_gradient(matrix)
    u = _unit(u)
    v = _unit(tf.linalg.matvec(held, u, transpose_a=True))
    for iteration in range(iterations):
        if iteration:
            v = _unit(tf.linalg.matvec(held, u, transpose_a=True))
        u = _unit(tf.linalg.matvec(held, v))
    u, v = tf.stop_gradient(u), tf.stop_gradient(v)
    return tf.reduce_sum(u * tf.linalg.matvec(matrix, v), axis=-1), u


def diagonal_norm(diagonal: tf.Tensor) -> tf.Tensor:
    """Takes the largest singular value of diagonal maps (..., channels): their largest |entry|."""
    return tf.reduce_max(tf.abs(diagonal), axis=-1)


def joint_norm(sigmas: Sequence[tf.Tensor]) -> tf.Tensor:
    """Takes the largest singular value of a map of blocks, a scalar, from those of its blocks.

    Args:
        sigmas: tensors of any shape that hold the blocks' largest singular values.
    """
    return tf.reduce_max(tf.concat([tf.reshape(sigma, [-1]) for sigma in sigmas], 0))


def divide_by_norm(weight: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Divides a weight by one sigma, or each entry of its first axis by its own; 0 where that is 0.

    Args:
        weight: (...), or (maps, ...).
        sigma: a scalar, or (maps,).

    Returns:
        The shape of the weight.
    """
    shape = [-1] + [1] * (weight.shape.rank - 1)
    return tf.math.divide_no_nan(weight, tf.reshape(sigma, shape))


def next_vector(before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
    """Takes the vectors (..., rows) that iterations gave, and the last ones where they gave none.

    A matrix that is 0 or not finite has no vector, and the next one starts from the last.
    """
    has_vector = tf.norm(after, axis=-1, keepdims=True) > 0.5
    return tf.where(has_vector, after, before)


def _unit(x: tf.Tensor) -> tf.Tensor:
    """x / ||x||, and 0 for 0, also where squares of entries are no float32."""
    x = tf.math.divide_no_nan(x, tf.reduce_max(tf.abs(x), -1, keepdims=True))
    return tf.math.l2_normalize(x, axis=-1, epsilon=1e-30)
