"""The supplement's four functions g against NumPy, also at x = 0."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients
from tfnorm.functional import (
    practical_unitization,
    scalar_unitization,
    vanilla_unitization,
    vector_unitization,
)

CONSTANT = np.array([0.6, 0.0, -0.8])
# Zero, large, small and plain rows.
X = np.array([[0.0, 0.0, 0.0], [30.0, -40.0, 10.0], [1e-3, 2e-3, -1e-3], [0.5, 1.0, -0.2]])
DY = np.random.default_rng(0).normal(size=X.shape)


EPSILON = 0.02


def vanilla(x, alpha):
    norm = np.linalg.norm(x)
    return CONSTANT if norm == 0 else x / norm


def scalar(x, alpha):
    norm = np.linalg.norm(x)
    return CONSTANT if norm == 0 and alpha == 1 else x / (alpha * norm + (1 - alpha))


def vector(x, alpha):
    norm = np.linalg.norm(x)
    if norm == 0:
        return np.zeros_like(x)
    return np.linalg.inv((norm - 1) * np.diag(alpha) + np.eye(len(x))) @ x


def practical(x, alpha):
    norm = np.linalg.norm(x)
    return (1 / np.sqrt(norm**2 + EPSILON) * alpha + (1 - alpha)) * x


# The function of samples, and NumPy's of one sample.
FORMS = {
    "vanilla": (lambda x, alpha: vanilla_unitization(x, CONSTANT), vanilla),
    "scalar": (lambda x, alpha: scalar_unitization(x, alpha, CONSTANT), scalar),
    "vector": (vector_unitization, vector),
    "practical": (lambda x, alpha: practical_unitization(x, alpha, EPSILON), practical),
}
VECTORS = ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.3, 1.0])
ROWS = [
    ("vanilla", 1.0),
    *(("scalar", alpha) for alpha in (0.0, 0.4, 1.0)),
    *(("vector", alpha) for alpha in VECTORS),
    *(("practical", alpha) for alpha in (*VECTORS, [-0.5, 1.7, 3.0])),
]
every_form = pytest.mark.parametrize("form, alpha", ROWS)


@every_form
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_value(form, alpha, dtype):
    g, expected = FORMS[form]
    y = g(tf.constant(X, dtype), tf.constant(alpha, dtype))
    assert y.dtype == dtype
    # (||x|| - 1) alpha + 1 as it is printed loses three digits of float64 where ||x|| = 1e-3.
    rtol = {"float64": 1e-13, "float32": 1e-6}[dtype]
    np.testing.assert_allclose(
        y, [expected(x, np.array(alpha)) for x in X], rtol=rtol, atol=1e-3 * rtol
    )


@every_form
def test_gradient(form, alpha):
    g, expected = FORMS[form]
    alpha = np.array(alpha)
    _, (gradient,) = gradients.by_tape(lambda x: g(x, alpha), [X], DY)
    for row in range(1, len(X)):
        # A step in proportion to the row: g bends on the scale of its norm.
        truth = gradients.by_differences(
            lambda x, row=row: np.sum(DY[row] * expected(x, alpha)),
            X[row],
            step=1e-4 * np.linalg.norm(X[row]),
        )
        np.testing.assert_allclose(gradient[row], truth, rtol=1e-7, atol=1e-9)


@every_form
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradients_at_zero_are_finite(form, alpha, dtype):
    for gradient in gradients.by_tape(FORMS[form][0], [0 * X, alpha], DY, dtype)[1]:
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    "form, alpha, slope",
    [
        ("scalar", 0.0, 1.0),
        ("scalar", 0.4, 1 / 0.6),
        ("vector", [0.0, 0.3, 0.8], [1.0, 1 / 0.7, 1 / 0.2]),
        ("practical", [0.0, 0.3, 1.0], np.array([0.0, 0.3, 1.0]) / np.sqrt(EPSILON) + [1, 0.7, 0]),
    ],
)
def test_gradient_at_zero_where_there_is_one(form, alpha, slope):
    """g(h) = h / (1 - alpha) + o(h) where alpha < 1, though ||x|| has no derivative at 0."""
    _, (gradient,) = gradients.by_tape(
        lambda x: FORMS[form][0](x, tf.constant(alpha, x.dtype)), [0 * X], DY
    )
    np.testing.assert_allclose(gradient, np.multiply(slope, DY), rtol=1e-12)


@pytest.mark.parametrize(
    "form, alpha", [("scalar", 0.4), ("vector", [0.1, 0.5, 0.9]), ("practical", [0.1, 0.5, 2.0])]
)
def test_gradient_of_alpha(form, alpha):
    g, expected = FORMS[form]
    _, (gradient,) = gradients.by_tape(lambda alpha: g(tf.constant(X), alpha), [alpha], DY)
    truth = gradients.by_differences(
        lambda alpha: np.sum(DY * np.stack([expected(x, alpha) for x in X])), alpha
    )
    np.testing.assert_allclose(gradient, truth, rtol=1e-8)


def test_practical_norm_is_over_all_axes_but_the_first():
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 3))
    alpha = np.array([0.0, 0.3, 1.0])
    norm = np.sqrt((x**2).sum((1, 2, 3), keepdims=True) + 0.02)
    y = practical_unitization(tf.constant(x), alpha, 0.02)
    np.testing.assert_allclose(y, (alpha / norm + 1 - alpha) * x, rtol=1e-12)
