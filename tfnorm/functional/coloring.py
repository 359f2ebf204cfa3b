"""Recoveries: a scale and shift, or a matrix, after a normalization; for all samples or for each.

Reference: Siarohin et al., "Whitening and Coloring Batch Transform for GANs", ICLR 2019,
https://arxiv.org/abs/1806.00420.
"""

from collections.abc import Sequence

import tensorflow as tf

from tfnorm.functional import groups, layouts
from tfnorm.functional.shapes import known_size


def scale_and_shift(
    x: tf.Tensor, gamma: tf.Tensor | None, beta: tf.Tensor | None, axis: int = -1
) -> tf.Tensor:
    """Scales and shifts each channel: `y = gamma * x + beta`.

    Args:
        x: (batch, ..., channels), the channels at `axis`.
        gamma: (channels,), or (batch, channels) with a row for each sample; None for ones.
        beta: likewise; None for zeros.
        axis: the channels' axis.

    Returns:
        The shape of x.
    """
    shape = [-1] + [1] * (x.shape.rank - 1)
    shape[axis] = known_size(x, axis)
    y = x if gamma is None else x * tf.reshape(gamma, shape)
    return y if beta is None else y + tf.reshape(beta, shape)


def color_groups(
    rows: tf.Tensor,
    kernels: Sequence[tf.Tensor],
    bias: tf.Tensor | None = None,
    *,
    group_size: int | None = None,
) -> tf.Tensor:
    """Mixes the channels of each group by a matrix: `y = K^T x + b`.

    Args:
        rows: (n, channels).
        kernels: of each block of equal groups (see `groups.blocks`) the matrices K
            (groups, size, size), input channels before output channels.
        bias: b, (channels,), or None for zeros.
        group_size: channels in a group; None is one group. The last group takes what is left over.

    Returns:
        (n, channels).
    """
    parts = []
    for block, kernel in zip(groups.blocks(known_size(rows), group_size), kernels, strict=True):
        part = rows if block.channels == rows.shape[-1] else rows[:, block.span]
        layout = layouts.fastest_layout(block, part)
        shift = None if bias is None else bias[block.span]
        parts.append(layouts.multiply(layout, part, tf.linalg.matrix_transpose(kernel), shift))
    return groups.join(parts)


def color_samples(
    samples: tf.Tensor, kernels: tf.Tensor, bias: tf.Tensor | None = None
) -> tf.Tensor:
    """Mixes the channels of each sample by a matrix of its own: `y = K^T x + b` at each pixel.

    Args:
        samples: (n, pixels, channels).
        kernels: K of each sample, (n, channels, channels), input channels before output channels.
        bias: b of each sample, (n, channels), or None for zeros.

    Returns:
        (n, pixels, channels).
    """
    y = tf.matmul(samples, kernels)
    return y if bias is None else y + bias[:, tf.newaxis]


def color_vectors(
    x: tf.Tensor, coefficients: tf.Tensor, kernels: tf.Tensor, bias: tf.Tensor | None = None
) -> tf.Tensor:
    """Mixes the channels of vectors by sums of matrices: `y = (sum_r a_r K_r)^T x + b`.

    As one product, of all a_r x with all K_r: a matrix for each sample would be most of the work.

    Args:
        x: (n, channels).
        coefficients: a of each sample, (n, rank).
        kernels: (rank, channels, channels).
        bias: b of each sample, (n, channels), or None for zeros.

    Returns:
        (n, channels).
    """
    parts = coefficients[:, :, tf.newaxis] * x[:, tf.newaxis]
    rank, channels = known_size(kernels, 0), known_size(kernels)
    flat = tf.reshape(kernels, [rank * channels, channels])
    y = tf.matmul(tf.reshape(parts, [-1, rank * channels]), flat)
    return y if bias is None else y + bias


def mixed_kernels(coefficients: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
    """Sums `a_r K_r` over r, (n, channels, channels), from coefficients a (n, rank).

    The kernels K are (rank, channels, channels).
    """
    return tf.tensordot(coefficients, kernels, 1)


def unit_rows(coefficients: tf.Tensor) -> tf.Tensor:
    """Divides rows (n, rank) by their length, or by 1e-6 if they are shorter."""
    return tf.math.l2_normalize(coefficients, axis=-1, epsilon=1e-12)
