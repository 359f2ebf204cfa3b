"""Unitization of batch-normalised vectors: `batch_unitization` where a sample has one pixel.

There sums over pixels sum nothing, and a tensor of them is as large as the vectors. All that is
needed are sums over the batch and over the channels, which are products of a tensor with a few
vectors.
"""

import tensorflow as tf

from tfnorm.functional import statistics
from tfnorm.functional.gradients import custom_gradient


def unitize_vectors(
    x: tf.Tensor,
    alpha: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    epsilon: float,
    sum_replicas: statistics.SumReplicas,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Does as `batch_unitization` with x (samples, channels), gamma and beta."""

    @custom_gradient
    def op(x: tf.Tensor, alpha: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor):
        sums, counted = sum_replicas([statistics.column_sums(x), statistics.count(x)])
        n = tf.maximum(counted, 1.0)
        mean = sums / n
        centred = tf.nn.bias_add(x, -mean)
        squares = tf.square(centred)
        (sum_of_squares,) = sum_replicas([statistics.column_sums(squares)])
        variance = sum_of_squares / n
        inverse = tf.math.rsqrt(variance + epsilon)
        r = tf.math.rsqrt(_row_sums(squares, tf.square(inverse)) + epsilon)
        # gamma (alpha r + 1 - alpha) / deviation is `slope r + level`: of each channel, but for r.
        slope, level = gamma * inverse * alpha, gamma * inverse * (1.0 - alpha)
        y = tf.nn.bias_add(centred * _line(r, slope, level), beta)

        def gradient(dy: tf.Tensor, *_: tf.Tensor | None):
            product = dy * centred
            by_r_and_one = tf.concat([r, tf.ones_like(r)], 1)
            product_r, product_one = tf.unstack(tf.matmul(by_r_and_one, product, transpose_a=True))
            dy_r, d_beta = tf.unstack(tf.matmul(by_r_and_one, dy, transpose_a=True))
            d_alpha = gamma * inverse * (product_r - product_one)
            d_gamma = inverse * (alpha * product_r + (1.0 - alpha) * product_one)
            d_q = -0.5 * _row_sums(product, slope) * r**3
            d_inverse, d_mean, centred_q = sum_replicas(
                [
                    gamma / inverse * d_gamma + 2.0 * inverse * _sums(tf.square(centred), d_q),
                    slope * dy_r + level * d_beta,
                    _sums(centred, d_q),
                ]
            )
            square, d_variance = tf.square(inverse), -0.5 * d_inverse * inverse**3 / n
            d_mean = d_mean + 2.0 * square * centred_q
            d_rows = _line(r, slope, level) * dy
            d_statistics = centred * _line(d_q, 2.0 * square, 2.0 * d_variance)
            return tf.nn.bias_add(d_rows + d_statistics, -d_mean / n), d_alpha, d_gamma, d_beta

        # Not finite where there is no sample.
        mean_if_any = mean / tf.minimum(counted, 1.0)
        return (y, tf.stop_gradient(mean_if_any), tf.stop_gradient(variance)), gradient

    return op(x, alpha, gamma, beta)


def _row_sums(rows: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Sums rows (n, channels), each channel times its weight, to (n, 1)."""
    return tf.matmul(rows, weights[:, tf.newaxis])


def _sums(rows: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Sums rows (n, channels), each times its weight (n, 1), to (channels,)."""
    return tf.reshape(tf.matmul(weights, rows, transpose_a=True), [-1])


def _line(r: tf.Tensor, slope: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """`slope r + level`, (n, channels), of r (n, 1) and two (channels,): written once."""
    return tf.matmul(tf.concat([r, tf.ones_like(r)], 1), tf.stack([slope, level]))
