"""Coloring of samples by matrices of their own, as a class has them.

Reference: Siarohin et al., "Whitening and Coloring Batch Transform for GANs", ICLR 2019.
"""

import tensorflow as tf


def color_samples(samples, kernels, bias=None):
    """`y = K^T x + b` at each pixel.

    Args:
        samples: (n, pixels, channels).
        kernels: K of each sample, (n, channels, channels), input channels before output channels.
        bias: b of each sample, (n, channels), or None for zeros.

    Returns:
        (n, pixels, channels).
    """
    y = tf.matmul(samples, kernels)
    return y if bias is None else y + bias[:, tf.newaxis]


def color_vectors(x, coefficients, kernels):
    """`y = (sum_r a_r K_r)^T x` of vectors.

    As one product, of all a_r x with all K_r: a matrix for each sample would be most of the work.

    Args:
        x: (n, channels).
        coefficients: a of each sample, (n, rank).
        kernels: (rank, channels, channels).

    Returns:
        (n, channels).
    """
    parts = coefficients[:, :, tf.newaxis] * x[:, tf.newaxis]
    rank, channels, _ = kernels.shape
    flat = tf.reshape(kernels, [rank * channels, channels])
    return tf.matmul(tf.reshape(parts, [-1, rank * channels]), flat)


def mixed_kernels(coefficients, kernels):
    """`sum_r a_r K_r`, (n, channels, channels), of (n, rank) and (rank, channels, channels)."""
    return tf.tensordot(coefficients, kernels, 1)


def unit_rows(coefficients):
    """Rows (n, rank) over their length, or over 1e-6 if they are shorter."""
    return tf.math.l2_normalize(coefficients, axis=-1, epsilon=1e-12)
