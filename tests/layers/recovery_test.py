"""CenterScale and Coloring against NumPy, and how Coloring starts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gradients
from tfnorm import CenterScale, Coloring

X = np.random.default_rng(0).normal(size=(3, 4, 2, 8))
DY = np.random.default_rng(1).normal(size=X.shape)
# Group size: the slices of 8 channels, and whether there is a smaller last group.
GROUPS = {
    None: [slice(0, 8)],
    8: [slice(0, 8)],
    4: [slice(0, 4), slice(4, 8)],
    3: [slice(0, 3), slice(3, 6), slice(6, 8)],
    1: [slice(c, c + 1) for c in range(8)],
}


def at_random(layer):
    layer.build(X.shape)
    for seed, weight in enumerate(layer.weights):
        weight.assign(np.random.default_rng(seed).normal(size=weight.shape))
    return layer


def kernels_of(layer):
    return [*layer.kernel.numpy(), *(layer.kernel_last.numpy() if has_last(layer) else [])]


def has_last(layer):
    return hasattr(layer, "kernel_last")


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("scale", [False, True])
def test_center_scale(center, scale):
    layer = at_random(CenterScale(center=center, scale=scale, dtype="float64"))
    gamma = layer.gamma.numpy() if scale else np.ones(8)
    beta = layer.beta.numpy() if center else np.zeros(8)
    assert [w.name for w in layer.weights] == ["gamma"] * scale + ["beta"] * center
    np.testing.assert_allclose(layer(X), gamma * X + beta, rtol=1e-14)


def test_center_scale_starts_as_the_identity():
    np.testing.assert_array_equal(CenterScale(dtype="float64")(X), X)


@pytest.mark.parametrize("group_size", GROUPS)
@pytest.mark.parametrize("use_bias", [False, True])
def test_coloring(group_size, use_bias):
    layer = at_random(Coloring(group_size, use_bias=use_bias, dtype="float64"))
    bias = layer.bias.numpy() if use_bias else np.zeros(8)
    kernels = kernels_of(layer)
    y, (dx,) = gradients.by_tape(layer, [X], DY)
    slices = GROUPS[group_size]
    expected = [X[..., s] @ kernel for s, kernel in zip(slices, kernels, strict=True)]
    np.testing.assert_allclose(y, np.concatenate(expected, -1) + bias, atol=1e-13)
    back = [DY[..., s] @ kernel.T for s, kernel in zip(slices, kernels, strict=True)]
    np.testing.assert_allclose(dx, np.concatenate(back, -1), atol=1e-13)


def test_coloring_of_all_channels_is_a_convolution():
    layer = at_random(Coloring(dtype="float64"))
    y = keras.ops.conv(X, layer.kernel.numpy()[np.newaxis])
    np.testing.assert_allclose(layer(X), y + layer.bias.numpy(), atol=1e-13)


@pytest.mark.parametrize("size", [2, 8, 64])
def test_groups_start_as_wide_as_a_convolution_of_their_size(size):
    """Glorot's limit is sqrt(6 / (in + out)) of the group, not of all channels or all groups."""
    layer = Coloring(size)
    layer.build((None, 128))
    kernel, limit = layer.kernel.numpy(), np.sqrt(6 / (2 * size))
    assert 0.8 * limit < np.abs(kernel).max() <= limit
    # A uniform distribution's deviation, with 4 standard errors of 128 numbers and more.
    assert np.isclose(kernel.std(), limit / np.sqrt(3), rtol=4 / np.sqrt(kernel.size))


def generator():
    return keras.initializers.GlorotUniform(seed=keras.random.SeedGenerator(3))


@pytest.mark.parametrize(
    "make_initializer",
    [
        lambda: "glorot_uniform",
        lambda: keras.initializers.GlorotUniform(seed=3),
        lambda: keras.initializers.HeNormal(seed=3),
        generator,
        lambda: lambda shape, dtype=None: tf.random.normal(shape, dtype=dtype),
    ],
)
def test_groups_start_independent_of_each_other(make_initializer):
    layer = Coloring(6, kernel_initializer=make_initializer())
    layer.build((None, 4 * 6 + 5))
    kernels = [kernel[:5, :5].ravel() for kernel in kernels_of(layer)]
    # Read in order too: two draws of one seed agree in the order of their numbers, not in place.
    in_order = [kernel.ravel()[:25] for kernel in kernels_of(layer)]
    for numbers in (kernels, in_order):
        correlation = np.corrcoef(numbers)
        # 0.2 is one standard deviation of the correlation of 25 independent pairs.
        assert np.abs(correlation - np.eye(5)).max() < 0.8


def test_a_seed_makes_the_start_repeatable():
    kernels = []
    for _ in range(2):
        layer = Coloring(3, kernel_initializer=keras.initializers.GlorotUniform(seed=3))
        layer.build(X.shape)
        kernels.append(np.concatenate([kernel.ravel() for kernel in kernels_of(layer)]))
    np.testing.assert_array_equal(*kernels)


def test_coloring_undoes_a_whitening():
    """The recovery that whitening lost: some kernel gives back any covariance."""
    rows = X.reshape(-1, 8)
    sigma = np.cov(rows.T)
    whitened = rows @ np.linalg.inv(np.linalg.cholesky(sigma)).T
    layer = Coloring(dtype="float64")
    layer.build(whitened.shape)
    layer.kernel.assign(np.linalg.cholesky(sigma).T[np.newaxis])
    np.testing.assert_allclose(layer(whitened), rows, atol=1e-12)


def test_regularizers_and_constraints_reach_the_weights():
    layer = at_random(
        Coloring(3, kernel_regularizer=keras.regularizers.L2(0.5), bias_constraint="non_neg")
    )
    expected = 0.5 * sum(np.sum(kernel**2) for kernel in kernels_of(layer))
    assert np.isclose(sum(layer.losses), expected)
    assert isinstance(layer.bias.constraint, keras.constraints.NonNeg)
