"""Losses against their definitions in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from gan.losses import LOSSES, class_loss

REAL = np.array([[0.3], [2.0], [-1.5]])
GENERATED = np.array([[-0.2], [-3.0], [0.7]])


def softplus(x):
    return np.log1p(np.exp(x))


EXPECTED = {
    "hinge": (
        np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + GENERATED).mean(),
        -GENERATED.mean(),
    ),
    "non_saturating": (
        softplus(-REAL).mean() + softplus(GENERATED).mean(),
        softplus(-GENERATED).mean(),
    ),
    "least_squares": (
        ((REAL - 1) ** 2).mean() + (GENERATED**2).mean(),
        ((GENERATED - 1) ** 2).mean(),
    ),
    "wasserstein": (GENERATED.mean() - REAL.mean(), -GENERATED.mean()),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_its_definition(name):
    real, generated = tf.constant(REAL, tf.float32), tf.constant(GENERATED, tf.float32)
    discriminator, generator = EXPECTED[name]
    loss = tf.function(LOSSES[name].discriminator)(real, generated)
    np.testing.assert_allclose(loss, discriminator, rtol=1e-6)
    np.testing.assert_allclose(LOSSES[name].generator(generated), generator, rtol=1e-6)


def test_class_loss_is_the_cross_entropy():
    logits, labels = np.array([[0.1, 2.0, -1.0], [0.5, 0.0, 0.3]]), np.array([1, 2])
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    loss = class_loss(tf.constant(logits, tf.float32), tf.constant(labels))
    np.testing.assert_allclose(loss, -np.log(shares[[0, 1], labels]).mean(), rtol=1e-6)
