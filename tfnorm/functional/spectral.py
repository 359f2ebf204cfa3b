"""The largest singular values of matrices by power iteration."""

import tensorflow as tf


def spectral_norm(
    matrix: tf.Tensor, u: tf.Tensor, iterations: int = 1
) -> tuple[tf.Tensor, tf.Tensor]:
    """Estimates `sigma = u^T W v`, differentiable with respect to W with u and v held constant.

    Each iteration is `v = l2n(W^T u)`, `u = l2n(W v)`. With u and v the singular vectors,
    `d sigma / dW = u v^T`. Reference: Miyato et al., "Spectral Normalization for Generative
    Adversarial Networks", ICLR 2018 (https://arxiv.org/abs/1802.05957), Algorithm 1 and equation
    (9).

    Args:
        matrix: W, (..., rows, columns): one matrix, or a stack of them.
        u: (..., rows), the left vector of the last call, of any length but 0.
        iterations: power iterations; 0 keeps u's direction.

    Returns:
        `(sigma, u)`: sigma, (...), a scalar for one matrix; u, (..., rows), of length 1 (0 where W
        is 0), without gradient.
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


def _unit(x):
    """x / ||x||, and 0 for 0; the default epsilon would leave vectors below 1e-6 short."""
    return tf.math.l2_normalize(x, axis=-1, epsilon=1e-30)
