"""Batch whitening of rows as one op, all groups at once, with its gradient in closed form."""

from collections.abc import Sequence

import tensorflow as tf

from tfnorm.functional import groups, layouts, statistics
from tfnorm.functional.gradients import custom_gradient
from tfnorm.functional.shapes import known_size
from tfnorm.functional.whiteners import Device
from tfnorm.functional.whitening import find_whitener, whitening_matrix

# A block's whitened rows, mean, covariances and whitening matrices.
_Whitened = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


def batch_whitening(
    rows: tf.Tensor,
    gamma: tf.Tensor | None,
    beta: tf.Tensor | None,
    *,
    method: str = "itn",
    group_size: int | None = None,
    epsilon: float = 1e-3,
    iterations: int = 5,
    device: Device | None = None,
    weights: tf.Tensor | None = None,
    expected_rows: int | None = None,
    sum_replicas: statistics.SumReplicas = statistics.one_replica,
) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
    """Whitens rows by their own mean and covariance, then scales and shifts.

    `y = gamma * (W (x - mean)) + beta` in each group of channels, with `W` the whitening matrix of
    `covariance + epsilon I` and `covariance = mean((x - mean) (x - mean)^T)`, divided by n, not by
    n - 1. Reference: Huang et al., "An Investigation into the Stochasticity of Batch Whitening",
    CVPR 2020, https://arxiv.org/abs/2003.12327, supplement, Algorithms I and II; with the centring
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
    whitener = find_whitener(method)
    channels = known_size(rows)
    gamma = tf.ones([channels], rows.dtype) if gamma is None else gamma
    beta = tf.zeros([channels], rows.dtype) if beta is None else beta

    def whiten(
        block: groups.Block, rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
    ) -> _Whitened:
        layout = layouts.fastest_training_layout(block, rows, expected_rows)

        @custom_gradient
        def op(rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor):
            sums, counted = sum_replicas(
                [statistics.column_sums(rows, weights), statistics.count(rows, weights)]
            )
            n = tf.maximum(counted, 1.0)
            mean = sums / n
            # Centred before the product: E[xx] - mean mean^T loses all digits to a large mean.
            centred = layout.subtract(layout.split(rows), layout.split(mean))
            (gram,) = sum_replicas([layout.gram(_weighted(centred, weights), centred)])
            covariance = gram / n
            w, pullback = whitener.function(covariance, epsilon, iterations, device)
            scale = tf.reshape(gamma, [block.groups, block.size, 1])
            scaled = scale * w
            y = tf.nn.bias_add(layout.merge(layout.apply(centred, scaled)), beta)

            def gradient(dy: tf.Tensor, *_: tf.Tensor | None):
                d_beta = statistics.column_sums(dy)
                split = layout.split(dy)
                d_scaled = layout.gram(split, centred)
                d_gamma = tf.reshape(tf.reduce_sum(d_scaled * w, -1), [-1])
                total_d_scaled, total_d_beta = sum_replicas([d_scaled, d_beta])
                d = pullback(scale * total_d_scaled)
                # One row by each matrix: as a product it would be all set-up.
                parts = tf.reshape(total_d_beta / n, [block.groups, block.size, 1]) * scaled
                d_mean = layout.split(tf.reshape(tf.reduce_sum(parts, 1), [1, -1]))
                d_statistics = layout.subtract(layout.apply(centred, d / n), d_mean)
                d_rows = layout.apply_transposed(split, scaled) + _weighted(d_statistics, weights)
                return layout.merge(d_rows), d_gamma, tf.reshape(d_beta, [-1])

            # Not finite where no row counts.
            mean_if_any = mean[0] / tf.minimum(counted, 1.0)
            return (y, *map(tf.stop_gradient, (mean_if_any, covariance, w))), gradient

        return op(rows, gamma, beta)

    outputs, means, covariances, matrices = [], [], [], []
    for block in groups.blocks(channels, group_size):
        part = rows if block.channels == channels else rows[:, block.span]
        y, mean, covariance, matrix = whiten(block, part, gamma[block.span], beta[block.span])
        outputs.append(y)
        means.append(mean)
        covariances.append(covariance)
        matrices.append(matrix)
    return groups.join(outputs), groups.join(means), covariances, matrices


def apply_whitening(
    rows: tf.Tensor,
    mean: tf.Tensor,
    matrices: Sequence[tf.Tensor],
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
    for block, matrix in zip(groups.blocks(known_size(rows), group_size), matrices, strict=True):
        layout = layouts.fastest_layout(block)
        if gamma is not None:
            matrix = tf.reshape(gamma[block.span], [block.groups, block.size, 1]) * matrix
        centred = layout.split(tf.nn.bias_add(rows[:, block.span], -mean[block.span]))
        y = layout.merge(layout.apply(centred, matrix))
        parts.append(y if beta is None else tf.nn.bias_add(y, beta[block.span]))
    return groups.join(parts)


def moving_matrices(
    covariances: Sequence[tf.Tensor],
    *,
    method: str,
    epsilon: float,
    iterations: int,
    device: Device | None,
) -> list[tf.Tensor]:
    """Computes the whitening matrices of each block's moving covariances (groups, size, size)."""
    return [
        tf.stop_gradient(whitening_matrix(covariance, method, epsilon, iterations, device))
        for covariance in covariances
    ]


def initial_statistics(variances: tf.Tensor, estimate: str) -> tf.Tensor:
    """Makes what a moving average starts from: that of independent channels.

    Args:
        variances: (groups, size), of the channels.
        estimate: of `ESTIMATES`, what the average follows.

    Returns:
        Diagonal matrices (groups, size, size): of the variances, or of their inverse roots.
    """
    return tf.linalg.diag(variances if estimate == "covariance" else variances**-0.5)


def _weighted(rows: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Rows (..., n, channels), each times its weight."""
    return rows if weights is None else rows * weights[:, tf.newaxis]
