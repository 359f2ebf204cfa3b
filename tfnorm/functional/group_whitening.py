"""Whitening of the groups of channels within each sample, as one op with its gradient closed."""

import tensorflow as tf

from tfnorm.functional.coloring import scale_and_shift
from tfnorm.functional.gradients import custom_gradient
from tfnorm.functional.shapes import known_size
from tfnorm.functional.whiteners import Device, Settings
from tfnorm.functional.whitening import find_scaling, find_whitener


def group_whitening(
    x: tf.Tensor,
    gamma: tf.Tensor | None,
    beta: tf.Tensor | None,
    *,
    groups: int = 32,
    method: str = "itn",
    epsilon: float = 1e-3,
    iterations: int = 5,
    scaling: str = "trace",
    device: Device | None = None,
    weights: tf.Tensor | None = None,
    derivatives: int = 4,
) -> tf.Tensor:
    """Decorrelates a sample's groups of channels over its own pixels, then scales and shifts.

    The values of a sample are a matrix X (groups, channels of a group * pixels), and

        y = gamma * W (X - mean) + beta,    W (covariance + epsilon I) W^T = I,

    with the mean of each row and `covariance = (X - mean) (X - mean)^T / n` over its n columns.
    With the covariance's diagonal alone it would be group normalization. Reference: Huang et al.,
    "Group Whitening: Balancing Learning Efficiency and Representational Capacity", CVPR 2021,
    https://arxiv.org/abs/2009.13333, equations (5) to (7).

    Args:
        x: (samples, pixels, channels), float32 or float64.
        gamma: (channels,), or None for ones.
        beta: (channels,), or None for zeros.
        groups: a divisor of the number of channels; each is a run of them.
        method, epsilon, iterations, scaling, device: see `whitening_matrix`.
        weights: (samples, pixels), 1 for pixels that count in the sample's statistics and 0 for
            those that do not (all are whitened); None for ones.
        derivatives: by "zca", one after another, as many as may be asked for, at least 1.

    Returns:
        The shape of x, differentiable with respect to x, gamma and beta.
    """
    whitener = find_whitener(method)
    find_scaling(scaling)
    channels = known_size(x)
    if groups < 1 or channels % groups:
        raise ValueError(
            "`groups` must divide the number of channels. Received: "
            f"groups={groups}, x.shape={tuple(x.shape)}"
        )
    settings = Settings(epsilon, iterations, scaling, device, derivatives)
    width = channels // groups
    shape = tf.shape(x)

    def split(x: tf.Tensor) -> tf.Tensor:
        """From (samples, pixels, channels) to X, (samples, groups, columns)."""
        if width == 1:
            return tf.linalg.matrix_transpose(x)
        x = tf.reshape(x, [shape[0], shape[1], groups, width])
        return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [shape[0], groups, shape[1] * width])

    def merge(x: tf.Tensor) -> tf.Tensor:
        """Undoes `split`."""
        if width == 1:
            return tf.linalg.matrix_transpose(x)
        x = tf.reshape(x, [shape[0], groups, shape[1], width])
        return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), shape)

    if weights is None:
        columns = None
        n = tf.cast(tf.maximum(shape[1] * width, 1), x.dtype)
    else:
        columns = tf.repeat(weights, width, axis=1)[:, tf.newaxis]
        n = tf.maximum(tf.reduce_sum(columns, 2, keepdims=True), 1.0)

    def weighed(values: tf.Tensor) -> tf.Tensor:
        return values if columns is None else values * columns

    @custom_gradient
    def whiten(x: tf.Tensor):
        held = split(x)
        mean = tf.reduce_sum(weighed(held), 2, keepdims=True) / n
        centred = held - mean
        covariance = tf.matmul(weighed(centred), centred, transpose_b=True) / n
        w, pullback = whitener.function(covariance, settings)

        def gradient(dy: tf.Tensor):
            dy = split(dy)
            d_covariance = pullback(tf.matmul(dy, centred, transpose_b=True))
            d_mean = -tf.matmul(w, tf.reduce_sum(dy, 2, keepdims=True), transpose_a=True)
            d_statistics = tf.matmul(d_covariance / n, centred) + d_mean / n
            return merge(tf.matmul(w, dy, transpose_a=True) + weighed(d_statistics))

        return merge(tf.matmul(w, centred)), gradient

    return scale_and_shift(whiten(x), gamma, beta)
