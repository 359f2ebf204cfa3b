"""Unitization: the supplement's four functions g, and the batch-normalised form as one op.

Reference: Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.1.
"""

import tensorflow as tf

from tfnorm.functional import statistics
from tfnorm.functional.gradients import custom_gradient


def vanilla_unitization(x: tf.Tensor, constant: tf.Tensor) -> tf.Tensor:
    """g(x) = x / ||x||, and `constant` where x = 0 (Theorem 3.1 asks for ||constant|| = 1).

    Args:
        x: samples (n, d).
        constant: (d,).

    Returns:
        (n, d).
    """
    norm, is_zero = _norm(x)
    return tf.where(is_zero, constant, x / norm)


def scalar_unitization(x: tf.Tensor, alpha: float | tf.Tensor, constant: tf.Tensor) -> tf.Tensor:
    """g(x; alpha) = x / (alpha ||x|| + 1 - alpha), and `constant` where x = 0 and alpha = 1.

    Args:
        x: samples (n, d).
        alpha: scalar in [0, 1] (Theorem 3.2).
        constant: (d,).

    Returns:
        (n, d).
    """
    denominator, undefined = _denominator(x, tf.convert_to_tensor(alpha, x.dtype))
    return tf.where(undefined, constant, x / denominator)


def vector_unitization(x: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
    """g(x; alpha) = ((||x|| - 1) diag(alpha) + E)^-1 x, and 0 where x = 0.

    Args:
        x: samples (n, d).
        alpha: (d,), in [0, 1] (Theorem 3.3).

    Returns:
        (n, d).
    """
    denominator, _ = _denominator(x, tf.convert_to_tensor(alpha, x.dtype))
    return x / denominator


def practical_unitization(
    x: tf.Tensor, alpha: tf.Tensor, epsilon: float = 1e-3, *, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """g(x; alpha, epsilon) = [alpha / sqrt(||x||^2 + epsilon) + (1 - alpha)] * x.

    Args:
        x: (n, ..., d); the norm is over all axes but the first.
        alpha: (d,), any real number (Theorem 3.4).
        epsilon: > 0.
        weights: (n, ...), 1 for positions that count in the norm and 0 for those that do not; None
            for ones.

    Returns:
        The shape of x.
    """
    axes = list(range(1, x.shape.rank))
    counted = x if weights is None else x * tf.expand_dims(weights, -1)
    square = tf.reduce_sum(tf.square(counted), axes, keepdims=True)
    return (alpha * tf.math.rsqrt(square + epsilon) + (1.0 - alpha)) * x


def _norm(x):
    """The norms (n, 1), 1 in place of 0, so that no gradient is divided by 0; and where 0 was."""
    square = tf.reduce_sum(tf.square(x), -1, keepdims=True)
    is_zero = tf.equal(square, 0.0)
    return tf.sqrt(tf.where(is_zero, tf.ones_like(square), square)), is_zero


def _denominator(x, alpha):
    """alpha ||x|| + 1 - alpha, which at x = 0 is 1 - alpha for the gradient too.

    Where alpha = 1 there, it is 1 in place of 0; and where that is.
    """
    norm, is_zero = _norm(x)
    undefined = tf.logical_and(is_zero, tf.equal(alpha, 1.0))
    denominator = alpha * tf.where(is_zero, tf.zeros_like(norm), norm) + (1.0 - alpha)
    return tf.where(undefined, tf.ones_like(denominator), denominator), undefined


def batch_unitization(
    x: tf.Tensor,
    alpha: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    *,
    epsilon: float = 1e-3,
    weights: tf.Tensor | None = None,
    sum_replicas: statistics.SumReplicas = statistics.one_replica,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Batch normalisation, then each sample scaled by its norm as far as alpha says, in one op.

    With `xh = (x - mean) / sqrt(variance + epsilon)`, biased variance, and
    `q = sum(xh^2) / pixels^2` of each sample,

        y = gamma * (alpha / sqrt(q + epsilon) + 1 - alpha) * xh + beta.

    At alpha = 0 it is batch normalisation; at alpha = 1 a sample's norm before gamma is `pixels`.
    All of it follows from two sums over the pixels of each sample and channel, and so does the
    gradient, so that the pixels are read as seldom as batch normalisation reads them.

    Args:
        x: (samples, pixels, channels), float32 or float64.
        alpha, gamma, beta: (channels,).
        epsilon: > 0, in both places.
        weights: (samples, pixels), 1 for pixels that count, in the statistics, in the sample's norm
            and in its number of pixels, and 0 for those that do not; None for ones.
        sum_replicas: see `batch_whitening`.

    Returns:
        `(y, mean, variance)`; mean and variance (channels,) carry no gradient. Where no pixel
        counts, mean is not finite.
    """

    @custom_gradient
    def op(x, alpha, gamma, beta):
        pixels = _pixels(x, weights)
        counted = pixels * statistics.count(x) if weights is None else tf.reduce_sum(weights)
        sums, counted = sum_replicas([tf.reduce_sum(_pixel_sums(x, weights), 0), counted])
        n = tf.maximum(counted, 1.0)
        mean = sums / n
        squares = _pixel_sums(tf.math.squared_difference(x, mean), weights)
        (sum_of_squares,) = sum_replicas([tf.reduce_sum(squares, 0)])
        variance = sum_of_squares / n
        inverse = tf.math.rsqrt(variance + epsilon)
        area = _area(pixels)
        r, s = _sample_scale(squares, inverse, alpha, area, epsilon)
        y = _affine(x, gamma * s * inverse, mean, beta)

        def gradient(dy, *_):
            d1 = _pixel_sums(dy)
            d2 = _pixel_sums(dy * x) - mean * d1
            d_beta = tf.reduce_sum(d1, 0)
            d_gamma = tf.reduce_sum(s * inverse * d2, 0)
            d_s = gamma * inverse * d2
            d_alpha = tf.reduce_sum(d_s * (r - 1.0), 0)
            d_r = tf.reduce_sum(d_s * alpha, 1, keepdims=True)
            d_q = -0.5 * d_r * r**3 / area
            d_inverse = gamma * s * d2 + 2.0 * d_q * inverse * squares
            scale = gamma * s * inverse
            d_mean = tf.reduce_sum(scale * d1, 0)
            d_inverse, d_mean = sum_replicas([tf.reduce_sum(d_inverse, 0), d_mean])
            d_squares = d_q * tf.square(inverse) - 0.5 * d_inverse * inverse**3 / n
            # The squares' own part of the mean's gradient vanishes with the sum of x - mean, but
            # for the part of q, which differs from sample to sample.
            deviations = _pixel_sums(x, weights) - pixels * mean
            (d_deviations,) = sum_replicas([tf.reduce_sum(d_squares * deviations, 0)])
            shift = (d_mean + 2.0 * d_deviations) / n
            d_statistics = _affine(x, 2.0 * d_squares, mean, -shift)
            if weights is not None:
                d_statistics = d_statistics * tf.expand_dims(weights, -1)
            return scale[:, tf.newaxis] * dy + d_statistics, d_alpha, d_gamma, d_beta

        known_mean = mean / tf.minimum(counted, 1.0)
        return (y, tf.stop_gradient(known_mean), tf.stop_gradient(variance)), gradient

    return op(x, alpha, gamma, beta)


def apply_unitization(
    x: tf.Tensor,
    mean: tf.Tensor,
    variance: tf.Tensor,
    alpha: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    *,
    epsilon: float = 1e-3,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """`batch_unitization` by given mean and variance (channels,): the sample's norm is its own."""
    inverse = tf.math.rsqrt(variance + epsilon)
    squares = _pixel_sums(tf.math.squared_difference(x, mean), weights)
    _, s = _sample_scale(squares, inverse, alpha, _area(_pixels(x, weights)), epsilon)
    return _affine(x, gamma * s * inverse, mean, beta)


def _sample_scale(squares, inverse, alpha, area, epsilon):
    """1 / sqrt(q + epsilon), (n, 1), and the scale (n, channels), of each sample."""
    q = tf.reduce_sum(squares * tf.square(inverse), 1, keepdims=True) / area
    r = tf.math.rsqrt(q + epsilon)
    return r, alpha * r + (1.0 - alpha)


def _affine(x, scale, mean, shift):
    """scale * (x - mean) + shift, scale (samples, channels), reading x once."""
    return x * scale[:, tf.newaxis] + (shift - scale * mean)[:, tf.newaxis]


def _pixels(x, weights=None):
    """How many pixels of a sample count: a number, or by the weights (samples, 1)."""
    if weights is None:
        return tf.cast(tf.shape(x)[1], x.dtype)
    return tf.reduce_sum(weights, 1, keepdims=True)


def _area(pixels):
    """pixels^2, what a squared norm is divided by; 1 of a sample of which no pixel counts."""
    return tf.square(tf.maximum(pixels, 1.0))


def _pixel_sums(x, weights=None):
    """Sums (samples, channels) over the pixels, each times its weight (samples, pixels).

    A product with ones, or with the weights, is faster than a reduction.
    """
    if weights is None:
        if x.shape[1] == 1:
            return x[:, 0]
        weights = tf.ones([tf.shape(x)[0], tf.shape(x)[1]], x.dtype)
    return tf.matmul(weights[:, tf.newaxis], x)[:, 0]
