"""Batch whitening of rows as one op, all groups at once, with its gradient in closed form."""

import collections.abc

import tensorflow as tf

from tfnorm.functional import groups, statistics
from tfnorm.functional.gradients import custom_gradient
from tfnorm.functional.whitening import WHITENERS, whitening_matrix


def batch_whitening(
    rows: tf.Tensor,
    gamma: tf.Tensor | None,
    beta: tf.Tensor | None,
    *,
    method: str = "itn",
    group_size: int | None = None,
    epsilon: float = 1e-3,
    iterations: int = 5,
    device: str | None = None,
    weights: tf.Tensor | None = None,
    expected_rows: int | None = None,
    sum_replicas: statistics.SumReplicas = statistics.one_replica,
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
    """Whitens rows by their own mean and covariance, then scales and shifts.

    `y = gamma * (W (x - mean)) + beta` in each group of channels, with `W` the whitening matrix of
    `covariance + epsilon I` and `covariance = mean((x - mean) (x - mean)^T)`, divided by n, not by
    n - 1. Reference: Huang et al., CVPR 2020, supplement, Algorithms I and II; with the centring
    term that Algorithm II leaves out.

    Args:
        rows: (n, channels), float32 or float64.
        gamma: (channels,), or None for ones.
        beta: (channels,), or None for zeros.
        method, epsilon, iterations, device: see `whitening_matrix`.
        group_size: channels in a group; None is one group. The last group takes what is left over.
        weights: (n,), 1 for rows that count in the statistics and 0 for those that do not (all are
            whitened); None for ones.
        expected_rows: about how many rows there will be where n is not known yet: what the fastest
            layout is chosen for.
        sum_replicas: sums a list of tensors over replicas: `statistics.one_replica`, or
            `statistics.all_replicas` for statistics of the global batch.

    Returns:
        `(y, mean, covariances, matrices)`: y (n, channels); mean (channels,); of each block of
        equal groups (see `groups.blocks`) the covariances (groups, size, size) without epsilon, and
        the whitening matrices (groups, size, size) without gamma. Only y carries a gradient.
        Where no row counts, mean is not finite.
    """

    def whiten(block, rows, gamma, beta):
        layout = groups.training_layout(block, rows, expected_rows)
        if gamma is None:
            gamma = tf.ones([block.channels], rows.dtype)
        if beta is None:
            beta = tf.zeros([block.channels], rows.dtype)

        @custom_gradient
        def op(rows, gamma, beta):
            sums, counted = sum_replicas(
                [statistics.column_sums(rows, weights), statistics.count(rows, weights)]
            )
            n = tf.maximum(counted, 1.0)
            mean = sums / n
            # Centred before the product: E[xx] - mean mean^T loses all digits to a large mean.
            centred = layout.subtract(layout.split(rows), layout.split(mean))
            (gram,) = sum_replicas([layout.gram(_weighted(centred, weights), centred)])
            covariance = gram / n
            w, pullback = WHITENERS[method].function(covariance, epsilon, iterations, device)
            scale = tf.reshape(gamma, [block.groups, block.size, 1])
            scaled = scale * w
            y = tf.nn.bias_add(layout.merge(layout.apply(centred, scaled)), beta)

            def gradient(dy, *_):
                d_beta = statistics.column_sums(dy)
                split = layout.split(dy)
                d_scaled = layout.gram(split, centred)
                d_gamma = tf.reshape(tf.reduce_sum(d_scaled * w, -1), [-1])
                total_scaled, total_beta = sum_replicas([d_scaled, d_beta])
                d = pullback(scale * total_scaled)
                # One row by each matrix: as a product it would be all set-up.
                parts = tf.reshape(total_beta / n, [block.groups, block.size, 1]) * scaled
                d_mean = layout.split(tf.reshape(tf.reduce_sum(parts, 1), [1, -1]))
                d_statistics = layout.subtract(layout.apply(centred, d / n), d_mean)
                d_rows = layout.apply_transposed(split, scaled) + _weighted(d_statistics, weights)
                return layout.merge(d_rows), d_gamma, tf.reshape(d_beta, [-1])

            known_mean = mean[0] / tf.minimum(counted, 1.0)
            values = y, *map(tf.stop_gradient, (known_mean, covariance, w))
            return values, gradient

        return op(rows, gamma, beta)

    return _by_block(whiten, group_size, rows, gamma, beta)


def apply_whitening(
    rows: tf.Tensor,
    mean: tf.Tensor,
    matrices: collections.abc.Sequence[tf.Tensor],
    gamma: tf.Tensor | None,
    beta: tf.Tensor | None,
    *,
    group_size: int | None = None,
) -> tf.Tensor:
    """Whitens rows by given statistics: `y = gamma * (W (x - mean)) + beta`.

    Args:
        rows: (n, channels).
        mean: (channels,).
        matrices: of each block of equal groups the whitening matrices (groups, size, size).
        gamma, beta, group_size: see `batch_whitening`.

    Returns:
        y, (n, channels), differentiable with respect to every tensor.
    """
    parts = []
    for block, matrix in zip(
        groups.blocks(groups.channels_of(rows), group_size), matrices, strict=True
    ):
        layout = groups.layout(block)
        in_block = slice(block.start, block.start + block.channels)
        if gamma is not None:
            matrix = tf.reshape(gamma[in_block], [block.groups, block.size, 1]) * matrix
        centred = layout.split(tf.nn.bias_add(rows[:, in_block], -mean[in_block]))
        y = layout.merge(layout.apply(centred, matrix))
        parts.append(y if beta is None else tf.nn.bias_add(y, beta[in_block]))
    return _joined(parts)


def moving_matrices(
    covariances: collections.abc.Sequence[tf.Tensor],
    *,
    method: str,
    epsilon: float,
    iterations: int,
    device: str | None,
) -> list[tf.Tensor]:
    """The whitening matrices of each block's moving covariances (groups, size, size)."""
    return [
        tf.stop_gradient(whitening_matrix(covariance, method, epsilon, iterations, device))
        for covariance in covariances
    ]


def _weighted(rows, weights):
    """Rows (..., n, channels), each times its weight."""
    return rows if weights is None else rows * weights[:, tf.newaxis]


def _by_block(whiten, group_size, rows, gamma, beta):
    outputs, means, covariances, matrices = [], [], [], []
    for block in groups.blocks(rows.shape[-1], group_size):
        in_block = slice(block.start, block.start + block.channels)
        y, mean, covariance, matrix = whiten(
            block,
            rows if block.channels == rows.shape[-1] else rows[:, in_block],
            None if gamma is None else gamma[in_block],
            None if beta is None else beta[in_block],
        )
        outputs.append(y)
        means.append(mean)
        covariances.append(covariance)
        matrices.append(matrix)
    return _joined(outputs), _joined(means), covariances, matrices


def _joined(parts):
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1)
