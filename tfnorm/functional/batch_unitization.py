"""Unitization of batch-normalised samples as one op, with its gradient in closed form.

Reference: Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
Unitizing Layers' Outputs", CVPR 2020, and the authors' released layer.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from tfnorm.functional import statistics
from tfnorm.functional.compilation import compiled, is_worth_compiling
from tfnorm.functional.gradients import custom_gradient
from tfnorm.functional.shapes import known_size
from tfnorm.functional.vector_unitization import unitize_vectors


def batch_unitization(
    x: tf.Tensor,
    alpha: tf.Tensor,
    gamma: tf.Tensor | None,
    beta: tf.Tensor | None,
    *,
    epsilon: float = 1e-3,
    weights: tf.Tensor | None = None,
    sum_replicas: statistics.SumReplicas = statistics.one_replica,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalises over the batch, then scales each sample by its norm as far as alpha says.

    With `xh = (x - mean) / sqrt(variance + epsilon)`, biased variance, and
    `q = sum(xh^2) / pixels^2` of each sample,

        y = gamma * (alpha / sqrt(q + epsilon) + 1 - alpha) * xh + beta.

    At alpha = 0 it is batch normalisation; at alpha = 1 a sample's norm before gamma is `pixels`.
    All of it follows from two sums over the pixels of each sample and channel, and so does the
    gradient, so that the pixels are read as seldom as batch normalisation reads them.

    ```python
    x = tf.random.normal([16, 25, 8])
    y, mean, variance = tfnorm.functional.batch_unitization(x, tf.zeros([8]), None, None)
    assert np.allclose(y, (x - mean) / np.sqrt(variance + 1e-3), atol=1e-4)
    ```

    Args:
        x: (samples, pixels, channels), float32 or float64.
        alpha: (channels,).
        gamma: (channels,), or None for ones.
        beta: (channels,), or None for zeros.
        epsilon: > 0, in both places.
        weights: (samples, pixels), 1 for pixels that count, in the statistics, in the sample's norm
            and in its number of pixels, and 0 for those that do not; None for ones.
        sum_replicas: see `batch_whitening`.

    Returns:
        `(y, mean, variance)`; mean and variance (channels,) carry no gradient. Where no pixel
        counts, mean is not finite.

    Reference:
        The released layer of Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep
        Neural Networks by Unitizing Layers' Outputs", CVPR 2020.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    gamma, beta = _ones_and_zeros(x, gamma, beta)
    if weights is None and x.shape[1] == 1:
        y, mean, variance = unitize_vectors(x[:, 0], alpha, gamma, beta, epsilon, sum_replicas)
        return y[:, tf.newaxis], mean, variance
    if weights is None and sum_replicas is statistics.one_replica and is_worth_compiling(x):
        return _compiled(epsilon)(x, alpha, gamma, beta)
    return _unitize(x, alpha, gamma, beta, epsilon, weights, sum_replicas)


@functools.cache
def _compiled(epsilon: float) -> Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
    """The op for XLA, which does in one pass over the pixels what are several operations."""

    def unitize(x: tf.Tensor, alpha: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor):
        return _unitize(x, alpha, gamma, beta, epsilon, None, statistics.one_replica)

    return compiled(unitize)


def _unitize(
    x: tf.Tensor,
    alpha: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    epsilon: float,
    weights: tf.Tensor | None,
    sum_replicas: statistics.SumReplicas,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    @custom_gradient
    def op(x: tf.Tensor, alpha: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor):
        pixels = _pixels(x, weights)
        counted = pixels * statistics.count(x) if weights is None else tf.reduce_sum(weights)
        pixel_sums = _pixel_sums(x, weights)
        sums, counted = sum_replicas([tf.reduce_sum(pixel_sums, 0), counted])
        n = tf.maximum(counted, 1.0)
        mean = sums / n
        squares = _pixel_sums(tf.math.squared_difference(x, mean), weights)
        (sum_of_squares,) = sum_replicas([tf.reduce_sum(squares, 0)])
        variance = sum_of_squares / n
        inverse = tf.math.rsqrt(variance + epsilon)
        area = _area(pixels)
        r, s = _sample_scale(squares, inverse, alpha, area, epsilon)
        y = _affine(x, gamma * s * inverse, mean, beta)

        def gradient(dy: tf.Tensor, *_: tf.Tensor | None):
            dy_sums = _pixel_sums(dy)
            dy_x_sums = _pixel_sums(dy * x) - mean * dy_sums
            d_beta = tf.reduce_sum(dy_sums, 0)
            d_gamma = tf.reduce_sum(s * inverse * dy_x_sums, 0)
            d_s = gamma * inverse * dy_x_sums
            d_alpha = tf.reduce_sum(d_s * (r - 1.0), 0)
            d_r = tf.reduce_sum(d_s * alpha, 1, keepdims=True)
            d_q = -0.5 * d_r * r**3 / area
            d_inverse = gamma * s * dy_x_sums + 2.0 * d_q * inverse * squares
            scale = gamma * s * inverse
            d_mean = tf.reduce_sum(scale * dy_sums, 0)
            d_inverse, d_mean = sum_replicas([tf.reduce_sum(d_inverse, 0), d_mean])
            d_squares = d_q * tf.square(inverse) - 0.5 * d_inverse * inverse**3 / n
            # The squares' own part of the mean's gradient vanishes with the sum of x - mean, but
            # for the part of q, which differs from sample to sample.
            deviations = pixel_sums - pixels * mean
            (d_deviations,) = sum_replicas([tf.reduce_sum(d_squares * deviations, 0)])
            shift = (d_mean + 2.0 * d_deviations) / n
            d_statistics = _affine(x, 2.0 * d_squares, mean, -shift)
            if weights is not None:
                d_statistics = d_statistics * tf.expand_dims(weights, -1)
            return scale[:, tf.newaxis] * dy + d_statistics, d_alpha, d_gamma, d_beta

        # Not finite where no pixel counts.
        mean_if_any = mean / tf.minimum(counted, 1.0)
        return (y, tf.stop_gradient(mean_if_any), tf.stop_gradient(variance)), gradient

    return op(x, alpha, gamma, beta)


def apply_unitization(
    x: tf.Tensor,
    mean: tf.Tensor,
    variance: tf.Tensor,
    alpha: tf.Tensor,
    gamma: tf.Tensor | None,
    beta: tf.Tensor | None,
    *,
    epsilon: float = 1e-3,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Does as `batch_unitization` by given mean and variance: the sample's norm is its own.

    ```python
    functional, alpha = tfnorm.functional, tf.fill([8], 0.5)
    x = tf.random.normal([16, 25, 8])
    y, mean, variance = functional.batch_unitization(x, alpha, None, None)
    again = functional.apply_unitization(x, mean, variance, alpha, None, None)
    assert np.allclose(y, again, atol=1e-4)
    ```

    Args:
        x, alpha, gamma, beta, epsilon, weights: see `batch_unitization`.
        mean, variance: (channels,).

    Returns:
        The shape of x, differentiable with respect to every tensor.

    Reference:
        The released layer of Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep
        Neural Networks by Unitizing Layers' Outputs", CVPR 2020.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    gamma, beta = _ones_and_zeros(x, gamma, beta)
    inverse = tf.math.rsqrt(variance + epsilon)
    squares = _pixel_sums(tf.math.squared_difference(x, mean), weights)
    _, s = _sample_scale(squares, inverse, alpha, _area(_pixels(x, weights)), epsilon)
    return _affine(x, gamma * s * inverse, mean, beta)


def _ones_and_zeros(
    x: tf.Tensor, gamma: tf.Tensor | None, beta: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gamma and beta, ones and zeros (channels,) in place of None."""
    shape = [known_size(x)]
    return (
        tf.ones(shape, x.dtype) if gamma is None else gamma,
        tf.zeros(shape, x.dtype) if beta is None else beta,
    )


def _sample_scale(
    squares: tf.Tensor,
    inverse: tf.Tensor,
    alpha: tf.Tensor,
    area: tf.Tensor,
    epsilon: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """1 / sqrt(q + epsilon), (n, 1), and the scale (n, channels), of each sample."""
    q = tf.reduce_sum(squares * tf.square(inverse), 1, keepdims=True) / area
    r = tf.math.rsqrt(q + epsilon)
    return r, alpha * r + (1.0 - alpha)


def _affine(x: tf.Tensor, scale: tf.Tensor, mean: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """scale * (x - mean) + shift, scale (samples, channels), reading x once."""
    return x * scale[:, tf.newaxis] + (shift - scale * mean)[:, tf.newaxis]


def _pixels(x: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """How many pixels of a sample count: a number, or by the weights (samples, 1)."""
    if weights is None:
        return tf.cast(tf.shape(x)[1], x.dtype)
    return tf.reduce_sum(weights, 1, keepdims=True)


def _area(pixels: tf.Tensor) -> tf.Tensor:
    """pixels^2, what a squared norm is divided by; 1 of a sample of which no pixel counts."""
    return tf.square(tf.maximum(pixels, 1.0))


def _pixel_sums(x: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Sums (samples, channels) over the pixels, each times its weight (samples, pixels).

    A product with ones, or with the weights, is faster than a reduction.
    """
    if weights is None:
        weights = tf.ones([tf.shape(x)[0], tf.shape(x)[1]], x.dtype)
    return tf.matmul(weights[:, tf.newaxis], x)[:, 0]
