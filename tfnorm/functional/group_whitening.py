"""Whitening of the groups of channels within each sample, as one op with its gradient closed."""

import functools
import typing
from collections.abc import Callable

import tensorflow as tf

from tfnorm.functional import statistics
from tfnorm.functional.compilation import compiled, is_worth_compiling
from tfnorm.functional.gradients import custom_gradient
from tfnorm.functional.shapes import known_size
from tfnorm.functional.whiteners import Device, Settings
from tfnorm.functional.whitening import find_scaling, find_whitener

Function = typing.TypeVar("Function", bound=Callable[..., typing.Any])


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
    jit: bool = True,
) -> tf.Tensor:
    """Decorrelates a sample's groups of channels over its own pixels, then scales and shifts.

    The values of a sample are a matrix X (groups, channels of a group * pixels), and

        y = gamma * W (X - mean) + beta,    W (covariance + epsilon I) W^T = I,

    with the mean of each row and `covariance = (X - mean) (X - mean)^T / n` over its n columns.
    With the covariance's diagonal alone it would be group normalization. Reference: Huang et al.,
    "Group Whitening: Balancing Learning Efficiency and Representational Capacity", CVPR 2021,
    https://arxiv.org/abs/2009.13333, equations (5) to (7).

    ```python
    x = tf.random.normal([2, 16, 8])
    y = tfnorm.functional.group_whitening(x, None, None, groups=4)
    assert y.shape == x.shape
    ```

    Args:
        x: (samples, pixels, channels), float32 or float64.
        gamma: (channels,), or None for ones.
        beta: (channels,), or None for zeros.
        groups: a divisor of the number of channels; each is a run of them.
        method, epsilon, iterations, scaling, device: see `whitening_matrix`.
        weights: (samples, pixels), 1 for pixels that count in the sample's statistics and 0 for
            those that do not (all are whitened); None for ones.
        derivatives: by "zca", one after another, as many as may be asked for, at least 1.
        jit: whether XLA, which compiles anew for each shape, may make one pass of several where
            that is faster. A graph that is exported has it, and runs where there is XLA alone.

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
    gamma = tf.ones([channels], x.dtype) if gamma is None else gamma
    beta = tf.zeros([channels], x.dtype) if beta is None else beta
    settings = Settings(epsilon, iterations, scaling, device, derivatives)
    width = channels // groups
    pixels = tf.ones(tf.shape(x)[:2], x.dtype) if weights is None else weights
    counted = width * tf.reduce_sum(pixels, 1)[:, tf.newaxis, tf.newaxis]
    n = tf.maximum(counted, 1.0)
    columns = None if weights is None else tf.repeat(weights, width, axis=1)[:, tf.newaxis]
    # In one pass over the pixels what are several operations without XLA.
    fused = _compiled if jit and is_worth_compiling(x) else _as_it_is

    def weighed(values: tf.Tensor) -> tf.Tensor:
        return values if columns is None else values * columns

    @custom_gradient
    def whiten(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor):
        sums = tf.matmul(pixels[:, tf.newaxis], x)
        sums = tf.reduce_sum(tf.reshape(sums, [-1, 1, groups, width]), 3)
        mean = tf.repeat(sums / n, width, axis=2)
        held = fused(_split_centred)(x, mean, groups)
        covariance = tf.matmul(weighed(held), held, transpose_b=True) / n
        if weights is not None:
            # Of no pixel it is zero, which without epsilon has no inverse and a gradient of NaN.
            covariance = tf.where(counted > 0.0, covariance, tf.eye(groups, dtype=x.dtype))
        w, pullback = whitener.function(covariance, settings)
        white = tf.matmul(w, held)

        def gradient(dy: tf.Tensor):
            by_gamma = fused(_products)(dy, white)
            d_gamma, d_beta = (
                statistics.column_sums(tf.reshape(value, [-1, channels]))
                for value in (by_gamma, dy)
            )
            d_white = fused(_split_scaled)(dy, gamma, groups)
            d = pullback(tf.matmul(d_white, held, transpose_b=True)) / n
            d_mean = -tf.matmul(w, tf.reduce_sum(d_white, 2, keepdims=True), transpose_a=True) / n
            d_held = tf.matmul(w, d_white, transpose_a=True)
            if weights is None:
                d_x = fused(_merge_sum)(d_held, tf.matmul(d, held), d_mean, dy)
            else:
                d_statistics = weighed(tf.matmul(d, held) + d_mean)
                d_x = _merge(d_held + d_statistics, dy)
            return d_x, d_gamma, d_beta

        return fused(_merge_scaled)(white, gamma, beta, x), gradient

    return whiten(x, gamma, beta)


_compiled = functools.cache(compiled)


def _as_it_is(function: Function) -> Function:
    return function


# X (samples, groups, columns) has a column for each pixel and channel of a group.


def _split(x: tf.Tensor, groups: int) -> tf.Tensor:
    """From (samples, pixels, channels) to X."""
    samples, pixels, width = tf.shape(x)[0], tf.shape(x)[1], known_size(x) // groups
    x = tf.transpose(tf.reshape(x, [samples, pixels, groups, width]), [0, 2, 1, 3])
    return tf.reshape(x, [samples, groups, pixels * width])


def _merge(x: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Undoes `_split`: X in the shape of `like`."""
    samples, pixels, groups = tf.shape(like)[0], tf.shape(like)[1], known_size(x, 1)
    x = tf.reshape(x, [samples, groups, pixels, known_size(like) // groups])
    return tf.ensure_shape(tf.reshape(tf.transpose(x, [0, 2, 1, 3]), tf.shape(like)), like.shape)


def _split_centred(x: tf.Tensor, mean: tf.Tensor, groups: int) -> tf.Tensor:
    return _split(x - mean, groups)


def _split_scaled(x: tf.Tensor, scale: tf.Tensor, groups: int) -> tf.Tensor:
    return _split(x * scale, groups)


def _merge_scaled(x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    return _merge(x, like) * scale + shift


def _merge_sum(a: tf.Tensor, b: tf.Tensor, c: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    return _merge(a + b + c, like)


def _products(like: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    return like * _merge(x, like)
