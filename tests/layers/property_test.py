"""Layers of any shape, axis, group, dtype, mask and argument against NumPy in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tfnorm
from tests import reference
from tfnorm.functional import WHITENERS
from tfnorm.functional.whiteners import SCALINGS

# The same examples each time: what fails here fails everywhere.
examples = settings(max_examples=25, deadline=None, derandomize=True)
NOT_NUMBERS = st.sampled_from(["3", None, True, float("nan"), float("inf"), [1], -1, (), {}])


@st.composite
def batches(draw):
    """x of rank 2 to 5, its channels' axis, and a mask or None."""
    spatial = draw(st.lists(st.integers(1, 4), max_size=3))
    channels = draw(st.integers(1, 9))
    rank = len(spatial) + 2
    axis = draw(st.integers(1, rank - 1))
    shape = [draw(st.integers(1, 6)), *spatial]
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    size = 10.0 ** draw(st.integers(-2, 2))
    x = rng.normal(draw(st.sampled_from([0.0, 3.0])), 1.0, size=(*shape, channels)) * size
    mask = rng.random(shape) < 0.7 if draw(st.booleans()) else None
    if mask is not None and not mask.any():
        mask[0] = True
    x = np.moveaxis(x, -1, axis)
    return x, axis - rank if draw(st.booleans()) else axis, mask


def rows_of(x, axis):
    moved = np.moveaxis(np.asarray(x, np.float64), axis, -1)
    return moved.reshape(-1, moved.shape[-1])


def samples_of(x, axis):
    moved = np.moveaxis(np.asarray(x, np.float64), axis, -1)
    return moved.reshape(len(moved), -1, moved.shape[-1])


def assert_near(value, truth, rtol):
    """Within rtol of the largest entry."""
    value, truth = np.asarray(value, np.float64), np.asarray(truth)
    np.testing.assert_allclose(value, truth, atol=rtol * max(np.abs(truth).max(), 1e-3))


def set_scale_and_shift(layer, seed):
    rng = np.random.default_rng(seed)
    for weight in (layer.gamma, layer.beta):
        if weight is not None:
            weight.assign(rng.normal(size=weight.shape))
    gamma = 1.0 if layer.gamma is None else np.asarray(layer.gamma, np.float64)
    return gamma, 0.0 if layer.beta is None else np.asarray(layer.beta, np.float64)


@examples
@pytest.mark.filterwarnings("ignore:.*statistics of")
@given(
    batch=batches(),
    method=st.sampled_from(sorted(WHITENERS)),
    group_size=st.none() | st.integers(1, 10),
    epsilon=st.sampled_from([1e-3, 0.1, 2.0]),
    iterations=st.integers(1, 7),
    scaling=st.sampled_from(sorted(SCALINGS)),
    center=st.booleans(),
    scale=st.booleans(),
    momentum=st.sampled_from([0.0, 0.5, 0.99]),
    dtype=st.sampled_from(["float64", "float32"]),
)
def test_batch_whitening(
    batch, method, group_size, epsilon, iterations, scaling, center, scale, momentum, dtype
):
    x, axis, mask = batch
    if dtype == "float32":
        # Float32 resolves a part in 1e7 of a covariance: what epsilon holds up must be more.
        x, epsilon = x / np.abs(x).max(), max(epsilon, 0.1)
    x = x.astype(dtype)
    layer = tfnorm.BatchWhitening(
        method,
        group_size=group_size,
        iterations=iterations,
        scaling=scaling,
        axis=axis,
        momentum=momentum,
        epsilon=epsilon,
        center=center,
        scale=scale,
        dtype=dtype,
    )
    layer.build(x.shape)
    gamma, beta = set_scale_and_shift(layer, 1)
    rows = rows_of(x, axis)
    counted = rows if mask is None else rows[mask.reshape(-1)]
    mean, slices = counted.mean(0), reference.group_slices(rows.shape[1], group_size)
    covariances = [reference.covariance(counted[:, s]) for s in slices]

    def truth(mean, covariances):
        shifted = [sigma + epsilon * np.eye(len(sigma)) for sigma in covariances]
        if method == "itn":
            divisor = reference.DIVISORS[scaling]
            whitening = [reference.itn(sigma, iterations, divisor) for sigma in shifted]
        else:
            whitening = [reference.WHITENERS[method](sigma) for sigma in shifted]
        if method != "pca":
            return reference.apply(rows, mean, whitening, gamma, beta)
        # Which eigenvector of equal eigenvalues, and its sign, is open: the length is not.
        whitened = [(rows[:, s] - mean[s]) @ w.T for s, w in zip(slices, whitening, strict=True)]
        return np.stack([np.square(part).sum(1) for part in whitened], 1)

    def whitened(y):
        y = rows_of(y, axis)
        if method != "pca":
            return y
        gammas = np.broadcast_to(gamma, y.shape[1:])
        assert np.abs(gammas).min() > 0
        plain = (y - beta) / gammas
        return np.stack([np.square(plain[:, s]).sum(1) for s in slices], 1)

    rtol = 1e-7 if dtype == "float64" else 5e-3
    y = layer(x, training=True, mask=mask)
    assert y.shape == x.shape and y.dtype == dtype
    assert_near(whitened(y), truth(mean, covariances), rtol)
    moving_mean = (1 - momentum) * mean
    moving = [momentum * np.eye(len(sigma)) + (1 - momentum) * sigma for sigma in covariances]
    assert_near(layer.moving_mean, moving_mean, rtol)
    assert_near(whitened(layer(x, mask=mask)), truth(moving_mean, moving), rtol)


@examples
@given(
    batch=batches(),
    normalize=st.booleans(),
    epsilon=st.sampled_from([1e-3, 0.1, 2.0]),
    center=st.booleans(),
    scale=st.booleans(),
    momentum=st.sampled_from([0.0, 0.5]),
    dtype=st.sampled_from(["float64", "float32"]),
)
def test_unitization(batch, normalize, epsilon, center, scale, momentum, dtype):
    x, axis, mask = batch
    if dtype == "float32":
        x, epsilon = x / np.abs(x).max(), max(epsilon, 0.1)
    x = x.astype(dtype)
    layer = tfnorm.Unitization(
        axis=axis,
        momentum=momentum,
        epsilon=epsilon,
        center=center,
        scale=scale,
        normalize=normalize,
        alpha_initializer=keras.initializers.RandomUniform(-0.5, 1.5, seed=2),
        dtype=dtype,
    )
    layer.build(x.shape)
    gamma, beta = set_scale_and_shift(layer, 1)
    samples, alpha = samples_of(x, axis), np.asarray(layer.alpha, np.float64)
    weights = np.ones(samples.shape[:2]) if mask is None else mask.reshape(samples.shape[:2])
    weights = weights[..., np.newaxis].astype(np.float64)

    def truth(mean, variance):
        if not normalize:
            square = (weights * samples**2).sum((1, 2), keepdims=True)
            return gamma * (alpha / np.sqrt(square + epsilon) + 1 - alpha) * samples + beta
        xh = (samples - mean) / np.sqrt(variance + epsilon)
        pixels = np.maximum(weights.sum(1, keepdims=True), 1.0)
        q = (weights * xh**2).sum((1, 2), keepdims=True) / pixels**2
        return gamma * (alpha / np.sqrt(q + epsilon) + 1 - alpha) * xh + beta

    count = weights.sum()
    mean = (weights * samples).sum((0, 1)) / count
    variance = (weights * (samples - mean) ** 2).sum((0, 1)) / count
    rtol = 1e-9 if dtype == "float64" else 1e-3
    y = layer(x, training=True, mask=mask)
    assert_near(samples_of(y, axis), truth(mean, variance), rtol)
    mean, variance = (1 - momentum) * mean, momentum + (1 - momentum) * variance
    assert_near(samples_of(layer(x, mask=mask), axis), truth(mean, variance), rtol)


@examples
@given(
    batch=batches(),
    group_size=st.none() | st.integers(1, 10),
    use_bias=st.booleans(),
    dtype=st.sampled_from(["float64", "float32"]),
)
def test_coloring_and_center_scale(batch, group_size, use_bias, dtype):
    x, axis, _ = batch
    x = x.astype(dtype)
    rtol = 1e-9 if dtype == "float64" else 1e-4
    coloring = tfnorm.Coloring(
        group_size, axis=axis, use_bias=use_bias, bias_initializer="random_normal", dtype=dtype
    )
    y = coloring(x)
    matrices = [k.T for stack in coloring.block_weights("kernel") for k in np.asarray(stack)]
    bias = np.asarray(coloring.bias) if use_bias else 0.0
    assert_near(rows_of(y, axis), reference.apply(rows_of(x, axis), 0.0, matrices, beta=bias), rtol)
    layer = tfnorm.CenterScale(axis=axis, scale=use_bias, dtype=dtype)
    layer.build(x.shape)
    gamma, beta = set_scale_and_shift(layer, 3)
    assert_near(rows_of(layer(x), axis), gamma * rows_of(x, axis) + beta, rtol)


@examples
@given(
    batch=batches(),
    cls=st.sampled_from(
        [tfnorm.ConditionalCenterScale, tfnorm.ConditionalColoring, tfnorm.FactorizedColoring]
    ),
    classes=st.integers(1, 4),
)
def test_conditional_layers(batch, cls, classes):
    x, axis, _ = batch
    more = {"rank": 2} if cls is tfnorm.FactorizedColoring else {}
    layer = cls(classes, axis=axis, dtype="float64", **more)
    labels = np.arange(len(x)) % classes
    y = samples_of(layer(x, labels), axis)
    for weight in layer.trainable_weights:
        assert weight.dtype == "float64"
    samples = samples_of(x, axis)
    if cls is tfnorm.ConditionalCenterScale:
        gamma, beta = (np.asarray(w)[labels][:, np.newaxis] for w in (layer.gamma, layer.beta))
        truth = gamma * samples + beta
    elif cls is tfnorm.ConditionalColoring:
        kernel, bias = np.asarray(layer.kernel), np.asarray(layer.bias)
        truth = samples @ kernel[labels] + bias[labels][:, np.newaxis]
    else:
        rows = np.asarray(layer.class_matrix)[labels]
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        truth = samples @ np.tensordot(rows, np.asarray(layer.kernel), 1)
    assert_near(y, truth, 1e-9)


@examples
@given(
    name=st.sampled_from(["group_size", "iterations", "momentum", "epsilon", "axis"]),
    value=NOT_NUMBERS,
)
def test_numbers_that_are_none_are_refused(name, value):
    if (name, value) in [("group_size", None), ("axis", -1)]:
        return
    with pytest.raises((ValueError, TypeError), match=f"Received: {name}="):
        tfnorm.BatchWhitening(**{name: value})


@examples
@given(rank=st.integers(0, 7), axis=st.integers(-8, 8).filter(bool), channels=st.integers(0, 3))
def test_shapes_are_taken_or_refused_in_words(rank, axis, channels):
    shape = (2,) * (rank - 1) + (channels,) if rank else ()
    is_right = 2 <= rank <= 5 and -rank < axis < rank and axis % rank != 0 and shape[axis] > 0
    layer = tfnorm.BatchWhitening(axis=axis)
    if is_right:
        layer.build(shape)
        assert layer.moving_mean.shape == (shape[axis],)
    else:
        with pytest.raises(ValueError, match="Received: "):
            layer.build(shape)


@settings(examples, max_examples=8)  # each is traced
@given(batch=batches(), method=st.sampled_from(sorted(WHITENERS)))
@pytest.mark.filterwarnings("ignore:.*statistics of")
def test_a_graph_computes_what_eager_mode_does(batch, method):
    x, axis, mask = batch
    eager, traced = (
        tfnorm.BatchWhitening(method, group_size=4, axis=axis, dtype="float64") for _ in range(2)
    )
    y = eager(x, training=True, mask=mask)
    shape = [None] * x.ndim
    shape[axis] = x.shape[axis]
    function = tf.function(
        lambda x: traced(x, training=True, mask=mask),
        input_signature=[tf.TensorSpec(shape, "float64")],
    )
    np.testing.assert_allclose(function(x), y, atol=1e-10)
