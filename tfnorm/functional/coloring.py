"""Recoveries: scales and shifts, and coloring by matrices of groups, or of samples.

Reference: Siarohin et al., "Whitening and Coloring Batch Transform for GANs", ICLR 2019
(https://arxiv.org/abs/1806.00420).
"""

import collections.abc

import tensorflow as tf

from tfnorm.functional import groups


def scale_and_shift(
    x: tf.Tensor, gamma: tf.Tensor | None, beta: tf.Tensor | None, axis: int = -1
) -> tf.Tensor:
    """`y = gamma * x + beta` of each channel.

    Args:
        x: (batch, ..., channels), the channels at `axis`.
        gamma, beta: None, for ones and zeros; (channels,); or (batch, channels), of each sample.
        axis: the channels' axis.

    Returns:
        The shape of x.
    """
    shape: list[int | None] = [-1, *[1] * (x.shape.rank - 1)]
    shape[axis] = x.shape[axis]
    y = x if gamma is None else x * tf.reshape(gamma, shape)
    return y if beta is None else y + tf.reshape(beta, shape)


def color_groups(
    rows: tf.Tensor,
    kernels: collections.abc.Sequence[tf.Tensor],
    bias: tf.Tensor | None = None,
    *,
    group_size: int | None = None,
) -> tf.Tensor:
    """`y = K^T x + b` of rows, each group of channels by its own K.

    Args:
        rows: (n, channels).
        kernels: of each block of equal groups (see `groups.blocks`) K, (groups, size, size), input
            channels before output channels.
        bias: b, (channels,), or None for zeros.
        group_size: channels in a group; None is one group. The last group takes what is left over.

    Returns:
        (n, channels).
    """
    parts = []
    blocks = groups.blocks(groups.channels_of(rows), group_size)
    for block, kernel in zip(blocks, kernels, strict=True):
        layout = groups.layout(block)
        part = layout.split(rows[:, block.start : block.start + block.channels])
        parts.append(layout.merge(layout.apply_transposed(part, kernel)))
    y = parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1)
    return y if bias is None else tf.nn.bias_add(y, bias)


def color_samples(
    samples: tf.Tensor, kernels: tf.Tensor, bias: tf.Tensor | None = None
) -> tf.Tensor:
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


def color_vectors(x: tf.Tensor, coefficients: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
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
    flat = tf.reshape(kernels, [-1, groups.channels_of(kernels)])
    return tf.matmul(tf.reshape(parts, [-1, flat.shape[0]]), flat)


def mixed_kernels(coefficients: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
    """`sum_r a_r K_r`, (n, channels, channels), of (n, rank) and (rank, channels, channels)."""
    return tf.tensordot(coefficients, kernels, 1)


def unit_rows(coefficients: tf.Tensor) -> tf.Tensor:
    """Rows (n, rank) over their length, or over 1e-6 if they are shorter."""
    return tf.math.l2_normalize(coefficients, axis=-1, epsilon=1e-12)
