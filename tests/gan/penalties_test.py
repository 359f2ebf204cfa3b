"""Gradient penalties against their definitions."""

import numpy as np
import pytest
import tensorflow as tf

from gan.penalties import PENALTIES, gradient_penalty

RNG = np.random.default_rng(0)
REAL, GENERATED = RNG.normal(size=(2, 4, 3, 2, 1))
UNIFORM = RNG.uniform(size=(4, 3, 2, 2))


def points(name):
    inputs = (tf.constant(value, tf.float32) for value in (REAL, GENERATED, UNIFORM))
    return PENALTIES[name](*inputs)


def test_wgan_gp_is_on_the_lines_between_real_and_generated():
    u = UNIFORM[:, 0, 0, 0][:, None, None, None]
    np.testing.assert_allclose(points("wgan_gp"), u * REAL + (1 - u) * GENERATED, atol=1e-6)


def test_dragan_is_about_real_images_as_far_as_their_deviation():
    u = UNIFORM[:, 0, 0, 0][:, None, None, None]
    noisy = REAL + 0.5 * REAL.std() * UNIFORM[..., 1:]
    np.testing.assert_allclose(points("dragan"), u * noisy + (1 - u) * REAL, atol=1e-6)


@pytest.mark.parametrize("power", [1, 2])
def test_penalty_is_the_definition(power):
    """Of D(x) = sum(w x^power), whose gradient is known; and its slope in w."""
    x = REAL
    w = tf.Variable(RNG.normal(size=(3, 2, 1)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(
            lambda x: tf.reduce_sum(w * x**power, [1, 2, 3])[:, None], tf.constant(x, tf.float32)
        )
    gradient_in_x = power * w.numpy() * x ** (power - 1)
    norms = np.sqrt((gradient_in_x**2).sum((1, 2, 3)))
    np.testing.assert_allclose(penalty, ((1 - norms) ** 2).mean(), rtol=1e-5)
    parts = 2 * (norms - 1) / norms
    slope = (parts[:, None, None, None] * gradient_in_x * power * x ** (power - 1)).mean(0)
    np.testing.assert_allclose(tape.gradient(penalty, w), slope, rtol=1e-4, atol=1e-5)


def test_a_gradient_of_zero_has_a_finite_slope():
    w = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(
            lambda x: w * tf.reduce_sum(x, [1, 2, 3])[:, None], tf.ones([2, 2, 2, 1])
        )
    assert np.isfinite(tape.gradient(penalty, w))
    assert float(penalty) == pytest.approx(1.0, abs=1e-5)
