"""Recoveries as functions, against NumPy in float64, with their gradients."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, reference
from tfnorm.functional import coloring, groups

RNG = np.random.default_rng(0)
CHANNELS = 5


def assert_is(function, expected, inputs, dy):
    """Value and gradients of a TensorFlow function are those of a NumPy function."""
    y, input_gradients = gradients.by_tape(function, inputs, dy)
    np.testing.assert_allclose(y, expected(*inputs), rtol=1e-13, atol=1e-13)
    for i, gradient in enumerate(input_gradients):
        truth = gradients.by_differences(
            lambda v, i=i: np.sum(dy * expected(*inputs[:i], v, *inputs[i + 1 :])), inputs[i]
        )
        np.testing.assert_allclose(gradient, truth, atol=1e-9)


@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("per_sample", [False, True])
def test_scale_and_shift(axis, per_sample):
    x = RNG.normal(size=(4, 2, 3, 6))
    gamma, beta = RNG.normal(size=(2, *[len(x)] * per_sample, x.shape[axis]))
    letter = "bijk"[axis]
    rows = f"b{letter}" if per_sample else letter

    def expected(x, gamma, beta):
        scaled = np.einsum(f"bijk,{rows}->bijk", x, gamma)
        return scaled + np.einsum(f"bijk,{rows}->bijk", np.ones_like(x), beta)

    def function(x, gamma, beta):
        return coloring.scale_and_shift(x, gamma, beta, axis)

    assert_is(function, expected, [x, gamma, beta], RNG.normal(size=x.shape))


def test_without_scale_or_shift():
    x, row = RNG.normal(size=(4, 2, 3)), RNG.normal(size=3)
    function = coloring.scale_and_shift
    np.testing.assert_array_equal(function(tf.constant(x), row, None), x * row)
    np.testing.assert_array_equal(function(tf.constant(x), None, row), x + row)
    np.testing.assert_array_equal(function(tf.constant(x), None, None), x)


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("group_size", [None, 1, 2, 3, 5, 8])
def test_color_groups(group_size, with_bias):
    """Whatever the cut: y = K^T x, so that row by row it is x K."""
    rows = RNG.normal(size=(7, CHANNELS))
    blocks = groups.blocks(CHANNELS, group_size)
    kernels = [RNG.normal(size=block.matrices_shape) for block in blocks]
    bias = [RNG.normal(size=CHANNELS)] * with_bias
    slices = reference.group_slices(CHANNELS, group_size)

    def expected(rows, *weights):
        matrices = [matrix for kernel in weights[: len(blocks)] for matrix in kernel]
        parts = [rows[:, s] @ matrix for s, matrix in zip(slices, matrices, strict=True)]
        return np.concatenate(parts, axis=1) + (weights[-1] if with_bias else 0.0)

    def function(rows, *weights):
        given = weights[-1] if with_bias else None
        return coloring.color_groups(rows, weights[: len(blocks)], given, group_size=group_size)

    assert_is(function, expected, [rows, *kernels, *bias], RNG.normal(size=rows.shape))


def test_a_kernel_is_missing():
    with pytest.raises(ValueError):
        coloring.color_groups(tf.zeros([2, 5]), [tf.zeros([2, 2, 2])], group_size=2)


@pytest.mark.parametrize("with_bias", [False, True])
def test_color_samples(with_bias):
    samples, kernels = RNG.normal(size=(3, 4, CHANNELS)), RNG.normal(size=(3, CHANNELS, CHANNELS))
    bias = [RNG.normal(size=(3, CHANNELS))] * with_bias

    def expected(samples, kernels, *bias):
        colored = [x @ kernel for x, kernel in zip(samples, kernels, strict=True)]
        return np.stack(colored) + (bias[0][:, None] if bias else 0.0)

    dy = RNG.normal(size=samples.shape)
    assert_is(coloring.color_samples, expected, [samples, kernels, *bias], dy)


@pytest.mark.parametrize("with_bias", [False, True])
def test_color_vectors(with_bias):
    x, coefficients = RNG.normal(size=(3, CHANNELS)), RNG.normal(size=(3, 2))
    kernels = RNG.normal(size=(2, CHANNELS, CHANNELS))
    bias = [RNG.normal(size=(3, CHANNELS))] * with_bias

    def expected(x, coefficients, kernels, *bias):
        mixed = [a[0] * kernels[0] + a[1] * kernels[1] for a in coefficients]
        colored = [row @ kernel for row, kernel in zip(x, mixed, strict=True)]
        return np.stack(colored) + (bias[0] if bias else 0.0)

    dy = RNG.normal(size=x.shape)
    assert_is(coloring.color_vectors, expected, [x, coefficients, kernels, *bias], dy)


def test_mixed_kernels():
    coefficients, kernels = RNG.normal(size=(3, 2)), RNG.normal(size=(2, CHANNELS, CHANNELS))

    def expected(coefficients, kernels):
        return np.stack([a[0] * kernels[0] + a[1] * kernels[1] for a in coefficients])

    dy = RNG.normal(size=(3, CHANNELS, CHANNELS))
    assert_is(coloring.mixed_kernels, expected, [coefficients, kernels], dy)


def test_unit_rows():
    rows = RNG.normal(size=(3, 4)) * [[1e-4], [1.0], [1e4]]
    dy = RNG.normal(size=rows.shape)
    y, (gradient,) = gradients.by_tape(coloring.unit_rows, [rows], dy)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = rows / lengths
    np.testing.assert_allclose(y, units, rtol=1e-13)
    truth = (dy - units * np.sum(units * dy, 1, keepdims=True)) / lengths
    np.testing.assert_allclose(gradient, truth, rtol=1e-9)


def test_a_row_shorter_than_a_millionth_is_divided_by_that():
    rows = np.array([[3e-9, 4e-9], [0.0, 0.0]])
    np.testing.assert_allclose(coloring.unit_rows(tf.constant(rows)), rows / 1e-6, rtol=1e-12)
