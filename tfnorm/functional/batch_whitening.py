"""Batch whitening of rows as one op, all groups at once, with its gradient in closed form."""

from collections.abc import Sequence

import tensorflow as tf

from tfnorm.functional import groups, layouts, statistics
from tfnorm.functional.gradients import custom_gradient
from tfnorm.functional.shapes import known_size, size
from tfnorm.functional.whiteners import Device, Settings
from tfnorm.functional.whitening import find_scaling, find_whitener

# The square of a mean, in units of the mean square, from which on rows are centred before they are
# multiplied: by half the mean is a deviation. And how many rows the mean square is estimated by.
_LARGE_MEAN = 0.5
_SAMPLE = 256

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
    scaling: str = "trace",
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

    ```python
    rows = tf.random.normal([256, 8])
    y, mean, covariances, matrices = tfnorm.functional.batch_whitening(
        rows, None, None, method="cd", group_size=4
    )
    assert covariances[0].shape == matrices[0].shape == (2, 4, 4)
    ```

    Args:
        rows: (n, channels), float32 or float64.
        gamma: (channels,), or None for ones.
        beta: (channels,), or None for zeros.
        method, epsilon, iterations, scaling, device: see `whitening_matrix`.
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
        Where no row counts, mean is not finite, and the covariances are identities.
    """
    whitener = find_whitener(method)
    find_scaling(scaling)
    settings = Settings(epsilon, iterations, scaling, device)
    channels = known_size(rows)
    gamma = tf.ones([channels], rows.dtype) if gamma is None else gamma
    beta = tf.zeros([channels], rows.dtype) if beta is None else beta

    def whiten(
        block: groups.Block, rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
    ) -> _Whitened:
        layout = layouts.fastest_layout(block, rows, expected_rows)

        @custom_gradient
        def op(rows: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor):
            sums, counted = sum_replicas(
                [statistics.column_sums(rows, weights), statistics.count(rows, weights)]
            )
            n = tf.maximum(counted, 1.0)
            mean = sums / n
            held, left, covariance = _moments(layout, block, rows, mean, n, weights, sum_replicas)
            if weights is not None:
                # Of no row it is zero, which without epsilon has no inverse and a gradient of NaN.
                identity = tf.eye(block.size, dtype=rows.dtype)
                covariance = tf.where(counted > 0.0, covariance, identity)
            w, pullback = whitener.function(covariance, settings)
            scale = tf.reshape(gamma, [block.groups, block.size, 1])
            scaled = scale * w
            bias = beta if left is None else beta - _times(scaled, left)
            y = layout.merge([layout.apply(held, scaled)], bias)

            def gradient(dy: tf.Tensor, *_: tf.Tensor | None):
                d_beta = statistics.column_sums(dy)
                split, by_beta = layout.split(dy), tf.reshape(d_beta, scale.shape)
                d_scaled = layout.gram(split, held)
                if left is not None:
                    d_scaled = d_scaled - by_beta * left
                d_gamma = tf.reshape(tf.reduce_sum(d_scaled * w, 2), [-1])
                total_d_scaled, total_by_beta = sum_replicas([d_scaled, by_beta])
                d = pullback(scale * total_d_scaled) / n
                d_mean = tf.reduce_sum(scaled * (total_by_beta / n), 1)
                d_bias = -tf.reshape(d_mean, [-1])
                if left is not None:
                    d_bias = d_bias - _times(d, left)
                d_rows = layout.apply_transposed(split, scaled)
                d_statistics = layout.apply(held, d)
                if weights is None:
                    return layout.merge([d_rows, d_statistics], d_bias), d_gamma, d_beta
                d_statistics = layout.merge([d_statistics], d_bias) * weights[:, tf.newaxis]
                return layout.merge([d_rows]) + d_statistics, d_gamma, d_beta

            # Not finite where no row counts.
            mean_if_any = mean / tf.minimum(counted, 1.0)
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
    expected_rows: int | None = None,
) -> tf.Tensor:
    """Whitens rows by given statistics: `y = gamma * (W (x - mean)) + beta`.

    ```python
    functional = tfnorm.functional
    rows = tf.random.normal([256, 8])
    y, mean, _, matrices = functional.batch_whitening(rows, None, None, group_size=4)
    again = functional.apply_whitening(rows, mean, matrices, None, None, group_size=4)
    assert np.allclose(y, again, atol=1e-4)
    ```

    Args:
        rows: (n, channels).
        mean: (channels,).
        matrices: of each block of equal groups the whitening matrices (groups, size, size).
        gamma, beta, group_size, expected_rows: see `batch_whitening`.

    Returns:
        y, (n, channels), differentiable with respect to every tensor.

    Reference:
        Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
        https://arxiv.org/abs/2003.12327, supplement: Algorithm I, in inference.
    """
    parts = []
    for block, matrix in zip(groups.blocks(known_size(rows), group_size), matrices, strict=True):
        part = rows if block.channels == rows.shape[-1] else rows[:, block.span]
        layout = layouts.fastest_application(block, part, expected_rows)
        if gamma is not None:
            matrix = tf.reshape(gamma[block.span], [block.groups, block.size, 1]) * matrix
        left = tf.reshape(mean[block.span], [block.groups, 1, block.size])
        bias = -_times(matrix, left)
        if beta is not None:
            bias = beta[block.span] + bias
        parts.append(layouts.multiply(layout, part, matrix, bias))
    return groups.join(parts)


def moving_matrices(
    covariances: Sequence[tf.Tensor],
    *,
    method: str,
    epsilon: float,
    iterations: int,
    device: Device | None,
    scaling: str = "trace",
) -> list[tf.Tensor]:
    """Computes the whitening matrices of each block's moving covariances (groups, size, size).

    ```python
    (matrices,) = tfnorm.functional.moving_matrices(
        [4.0 * tf.eye(3, batch_shape=[2])], method="zca", epsilon=0.0, iterations=5, device=None
    )
    assert np.allclose(matrices, [0.5 * np.eye(3)] * 2, atol=1e-5)
    ```

    Reference:
        Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
        https://arxiv.org/abs/2003.12327, supplement: section B, of the moving covariance.
    """
    function = find_whitener(method).function
    settings = Settings(epsilon, iterations, scaling, device, derivatives=0)
    return [tf.stop_gradient(function(covariance, settings)[0]) for covariance in covariances]


def initial_statistics(variances: tf.Tensor, estimate: str, epsilon: float) -> tf.Tensor:
    """Makes what a moving average starts from: that of independent channels.

    Args:
        variances: (groups, size), of the channels.
        estimate: of `ESTIMATES`, what the average follows.
        epsilon: the least variance of which the inverse root is taken.

    Returns:
        Diagonal matrices (groups, size, size): of the variances, or of their inverse roots.
    """
    is_covariance = estimate == "covariance"
    return tf.linalg.diag(variances if is_covariance else tf.maximum(variances, epsilon) ** -0.5)


def _moments(
    layout: layouts.Layout,
    block: groups.Block,
    rows: tf.Tensor,
    mean: tf.Tensor,
    n: tf.Tensor,
    weights: tf.Tensor | None,
    sum_replicas: statistics.SumReplicas,
) -> tuple[tf.Tensor, tf.Tensor | None, tf.Tensor]:
    """The rows to go on with, held, the mean that is left in them, and the covariances.

    `mean(x x^T) - mean mean^T` spares a centred copy of many rows, and loses digits to a mean that
    is large for the deviations. There, and where rows are weighed or of several replicas, the rows
    are centred first. The mean is (groups, 1, size), None if there is none.
    """
    left = None

    def centred() -> tuple[tf.Tensor, tf.Tensor]:
        return layout.split(tf.nn.bias_add(rows, -mean)), tf.zeros_like(mean)

    if layout.takes_raw_rows and weights is None and sum_replicas is statistics.one_replica:
        held, shift = tf.cond(_is_large(mean, rows), centred, lambda: (layout.split(rows), mean))
        left = tf.reshape(shift, [block.groups, 1, block.size])
    else:
        held, _ = centred()
    weighed = held if weights is None else layout.weigh(held, weights)
    (gram,) = sum_replicas([layout.gram(weighed, held)])
    covariance = gram / n
    if left is not None:
        covariance = covariance - tf.linalg.matrix_transpose(left) * left
    return held, left, covariance


def _times(matrices: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Multiplies each group's row (groups, 1, size) by its matrix, to (channels,).

    One row by each matrix: as a product it would be all set-up.
    """
    return tf.reshape(tf.reduce_sum(matrices * rows, 2), [-1])


def _is_large(mean: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Whether the mean of a channel is large for its deviation, by a sample of the rows."""
    n = size(rows, 0)
    # A slice with a stride would take longer than the sum of all rows.
    sample = tf.gather(rows, tf.range(0, n, tf.maximum(n // _SAMPLE, 1)))
    return tf.reduce_any(tf.square(mean) > _LARGE_MEAN * tf.reduce_mean(tf.square(sample), 0))
