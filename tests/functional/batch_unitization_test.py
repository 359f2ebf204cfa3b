"""The fused batch unitization against NumPy and finite differences in float64."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, reference
from tfnorm.functional import apply_unitization, batch_unitization

RNG = np.random.default_rng(3)
ALPHA = np.array([0.0, 1.0, 0.4, -0.7])
GAMMA = np.array([1.0, 2.0, -0.5, 0.8])
BETA = np.array([0.0, 0.1, -1.0, 3.0])


def _samples(count, pixels, scale=1.0, mean=0.0):
    return scale * RNG.normal(size=(count, pixels, 4)) + mean


DEAD = _samples(3, 4)
DEAD[:, :, 1] = 2.0
CASES = {
    "vectors": _samples(6, 1),
    "maps": _samples(4, 6, mean=[0.0, 1.0, -2.0, 3.0]),
    "two vectors": _samples(2, 1),
    "one map": _samples(1, 9),
    "samples of different size": _samples(4, 3) * np.array([0.1, 1.0, 10.0, 0.01])[:, None, None],
    "small": _samples(3, 4, scale=0.03),
    "constant": np.full((3, 4, 4), 2.0),
    "a dead channel": DEAD,
}
every_case = pytest.mark.parametrize("case", CASES)


def op(x, alpha, gamma, beta):
    return batch_unitization(x, alpha, gamma, beta)[0]


@every_case
def test_value_and_statistics(case):
    x = CASES[case]
    y, mean, variance = batch_unitization(tf.constant(x), ALPHA, GAMMA, BETA, epsilon=0.01)
    expected = reference.unitize(x, ALPHA, GAMMA, BETA, epsilon=0.01)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(mean, x.mean((0, 1)), atol=1e-13)
    np.testing.assert_allclose(variance, x.var((0, 1)), atol=1e-12)


@every_case
def test_gradients(case):
    x = CASES[case]
    dy = np.random.default_rng(5).normal(size=x.shape)
    _, input_gradients = gradients.by_tape(op, [x, ALPHA, GAMMA, BETA], dy)
    inputs = {"x": x, "alpha": ALPHA, "gamma": GAMMA, "beta": BETA}
    for name, gradient in zip(inputs, input_gradients, strict=True):
        truth = gradients.by_differences(
            lambda value, name=name: np.sum(dy * reference.unitize(**(inputs | {name: value}))),
            inputs[name],
            step=1e-5,
        )
        np.testing.assert_allclose(gradient, truth, atol=1e-7 * max(1.0, np.abs(truth).max()))


def test_pixels_without_weight_count_in_no_statistic_and_no_norm():
    """But they are scaled, and the gradient that comes to them goes on to the others."""
    x, weights = CASES["maps"], np.ones((4, 6))
    weights[1, 2:] = weights[2, 5] = weights[3] = 0.0
    counted = weights.astype(bool)
    dy = np.random.default_rng(5).normal(size=x.shape)

    def truth(x):
        mean, variance = x[counted].mean(0), x[counted].var(0)
        xh = (x - mean) / np.sqrt(variance + 1e-3)
        parts = []
        for sample, counts in zip(xh, counted, strict=True):
            q = np.sum(sample[counts] ** 2) / max(counts.sum(), 1) ** 2
            parts.append(GAMMA * (ALPHA / np.sqrt(q + 1e-3) + 1 - ALPHA) * sample + BETA)
        return np.stack(parts)

    def weighted_op(*inputs):
        return batch_unitization(*inputs, weights=tf.constant(weights))[0]

    y, (gradient, *_) = gradients.by_tape(weighted_op, [x, ALPHA, GAMMA, BETA], dy)
    np.testing.assert_allclose(y, truth(x), rtol=1e-9, atol=1e-11)
    expected = gradients.by_differences(lambda x: np.sum(dy * truth(x)), x, step=1e-5)
    np.testing.assert_allclose(gradient, expected, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("ratio", [10, 100])
def test_large_mean_in_float32(ratio):
    x = (_samples(8, 9) + ratio).astype(np.float32).astype(np.float64)
    dy = np.random.default_rng(5).normal(size=x.shape).astype(np.float32).astype(np.float64)
    y, (gradient, *_) = gradients.by_tape(op, [x, ALPHA, GAMMA, BETA], dy, "float32")
    assert gradients.relative_error(y, reference.unitize(x, ALPHA, GAMMA, BETA)) < 3e-6 * ratio
    truth = gradients.by_differences(
        lambda x: np.sum(dy * reference.unitize(x, ALPHA, GAMMA, BETA)), x
    )
    assert gradients.relative_error(gradient, truth) < 3e-6 * ratio


@pytest.mark.parametrize("given", [False, True])
def test_without_gamma_and_beta_they_are_ones_and_zeros(given):
    x, statistics = tf.constant(CASES["maps"]), [np.ones(4), np.full(4, 2.0)] * given

    def y(gamma, beta):
        if given:
            return apply_unitization(x, *statistics, ALPHA, gamma, beta)
        return batch_unitization(x, ALPHA, gamma, beta)[0]

    np.testing.assert_array_equal(y(None, BETA), y(np.ones(4), BETA))
    np.testing.assert_array_equal(y(GAMMA, None), y(GAMMA, np.zeros(4)))


def test_full_unitization_makes_norms_the_number_of_pixels():
    for pixels in (1, 12):
        y = op(tf.constant(_samples(5, pixels)), np.ones(4), np.ones(4), np.zeros(4))
        norms = np.sqrt(np.sum(y.numpy() ** 2, (1, 2)))
        # q / (q + epsilon) of it, with q about channels / pixels.
        np.testing.assert_allclose(norms, pixels, rtol=0.02)
        assert (norms < pixels).all()


@every_case
def test_given_statistics(case):
    x = CASES[case]
    mean, variance = RNG.normal(size=4), RNG.uniform(0.1, 2.0, size=4)
    dy = np.random.default_rng(5).normal(size=x.shape)

    def given(x):
        return apply_unitization(x, mean, variance, ALPHA, GAMMA, BETA, epsilon=0.01)

    def expected(x):
        return reference.unitize(x, ALPHA, GAMMA, BETA, 0.01, mean, variance)

    y, (gradient,) = gradients.by_tape(given, [x], dy)
    np.testing.assert_allclose(y, expected(x), rtol=1e-10, atol=1e-11)
    truth = gradients.by_differences(lambda x: np.sum(dy * expected(x)), x)
    np.testing.assert_allclose(gradient, truth, atol=1e-8 * max(1.0, np.abs(truth).max()))


def test_gradient_of_a_gradient():
    """As a gradient penalty takes it: the derivative of dx along v, by differences of dx."""
    x = CASES["maps"]
    dy, v = np.random.default_rng(6).normal(size=(2, *x.shape))

    def first(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = op(x, *map(tf.constant, (ALPHA, GAMMA, BETA)))
        return tape.gradient(y, x, output_gradients=dy)

    _, (second,) = gradients.by_tape(first, [x], v)
    truth = gradients.by_differences(
        lambda t: np.sum(v * first(tf.constant(x + t * v)).numpy()), np.array(0.0)
    )
    assert np.isclose(np.sum(second * v), truth, rtol=1e-7)
