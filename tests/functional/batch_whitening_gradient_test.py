"""Gradients of the whole op in float64 against finite differences of the papers' formulas."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, reference, samples
from tfnorm.functional import WHITENERS, batch_whitening

# Two groups of two channels and a last group of one, or one group.
GROUP_SIZES = (None, 2)
GAMMA = np.array([1.5, -0.5, 1.0, 2.0, 0.7])
BETA = np.array([0.1, -0.2, 0.3, 0.0, 1.0])
# In one group of five channels these have equal eigenvalues in directions that a step reaches.
NO_GRADIENT_OF_PCA = ("repeated eigenvalues", "constant", "dead channels")
ALL = [(m, case, size) for m in WHITENERS for case in samples.CASES for size in GROUP_SIZES]


def has_no_gradient(method, case, group_size):
    equal_in_a_group = group_size is None or case == "constant"
    return method == "pca" and case in NO_GRADIENT_OF_PCA and equal_in_a_group


def upstream(x):
    return np.random.default_rng(5).normal(size=x.shape)


def op(**options):
    return lambda x, gamma, beta: batch_whitening(x, gamma, beta, **options)[0]


@pytest.mark.parametrize(
    "method, case, group_size", [row for row in ALL if not has_no_gradient(*row)]
)
def test_gradients_are_the_finite_differences(method, case, group_size):
    x = samples.CASES[case]
    dy = upstream(x)
    options = {"method": method, "group_size": group_size}
    y, input_gradients = gradients.by_tape(op(**options), [x, GAMMA, BETA], dy)
    like = None
    if method == "pca":  # whose signs are anyone's choice
        blocks = batch_whitening(tf.constant(x), None, None, **options)[3]
        like = [w for block in blocks for w in block.numpy()]

    def loss(x=x, gamma=GAMMA, beta=BETA):
        return np.sum(dy * reference.whiten(x, gamma, beta, like=like, **options))

    assert np.isclose(np.sum(dy * y), loss(), rtol=1e-10)
    truth = [
        gradients.by_differences(loss, x),
        gradients.by_differences(lambda gamma: loss(gamma=gamma), GAMMA),
        gradients.by_differences(lambda beta: loss(beta=beta), BETA),
    ]
    scale = max(np.abs(value).max() for value in truth)
    for gradient, value in zip(input_gradients, truth, strict=True):
        np.testing.assert_allclose(gradient, value, atol=1e-8 * scale)


@pytest.mark.parametrize("method, case, group_size", [row for row in ALL if has_no_gradient(*row)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pca_without_a_gradient_gives_a_finite_one(method, case, group_size, dtype):
    x = samples.CASES[case]
    options = {"method": method, "group_size": group_size}
    y, input_gradients = gradients.by_tape(op(**options), [x, GAMMA, BETA], upstream(x), dtype)
    for value in (y, *input_gradients):
        assert np.isfinite(value).all()
    # Not blown up by nearly equal eigenvalues either: the largest slope of x -> W x is 1/sqrt(eps).
    assert np.abs(input_gradients[0]).max() < 10 / np.sqrt(1e-3)


@pytest.mark.parametrize("case", samples.CASES)
@pytest.mark.parametrize("method", ["pca", "zca", "cd"])
def test_loss_that_no_rotation_changes(method, case):
    """Y Y^T = Xc (S + eps I)^-1 Xc^T, whichever way it is whitened: its gradient exists always.

    So PCA's at equal eigenvalues is right where there is one to be right about.
    """
    x = samples.CASES[case]
    k = np.random.default_rng(5).normal(size=(len(x), len(x)))
    k = k + k.T

    def loss(x):
        centred = x - x.mean(0)
        inverse = np.linalg.inv(reference.covariance(x) + 1e-3 * np.eye(5))
        return np.sum(k * (centred @ inverse @ centred.T))

    x_tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x_tensor)
        y = batch_whitening(x_tensor, None, None, method=method)[0]
        value = tf.reduce_sum(k * tf.matmul(y, y, transpose_b=True))
    gradient = tape.gradient(value, x_tensor)
    truth = gradients.by_differences(loss, x)
    np.testing.assert_allclose(gradient, truth, atol=1e-7 * max(1.0, np.abs(truth).max()))


@pytest.mark.parametrize("iterations", [1, 2, 3, 7, 14])
def test_itn_of_any_length(iterations):
    x = samples.GENERIC
    dy = upstream(x)
    _, (gradient, *_) = gradients.by_tape(
        op(method="itn", iterations=iterations), [x, GAMMA, BETA], dy
    )
    truth = gradients.by_differences(
        lambda x: np.sum(dy * reference.whiten(x, GAMMA, method="itn", iterations=iterations)), x
    )
    assert gradients.relative_error(gradient, truth) < 1e-8


@pytest.mark.parametrize("method", WHITENERS)
def test_one_row_gives_beta_and_no_gradient(method):
    dy = np.ones((1, 5))
    y, (dx, dgamma, dbeta) = gradients.by_tape(
        op(method=method), [np.ones((1, 5)), GAMMA, BETA], dy
    )
    np.testing.assert_array_equal(y[0], BETA)
    np.testing.assert_array_equal(dx[0], np.zeros(5))
    np.testing.assert_array_equal(dgamma, np.zeros(5))
    np.testing.assert_array_equal(dbeta, np.ones(5))


@pytest.mark.parametrize("group_size", GROUP_SIZES)
@pytest.mark.parametrize("method", WHITENERS)
def test_rows_without_weight_count_in_no_statistic(method, group_size):
    """But they are whitened, and the gradient that comes to them goes on to the others."""
    x, counts = samples.GENERIC + 0.0, np.array([1, 0, 1, 1, 1, 0, 1, 1, 1], bool)
    x[~counts] *= 10.0
    dy = upstream(x)
    options = {"method": method, "group_size": group_size}
    weights = tf.constant(counts, tf.float64)
    _, mean, covariances, blocks = batch_whitening(
        tf.constant(x), None, None, weights=weights, **options
    )
    np.testing.assert_allclose(mean, x[counts].mean(0), atol=1e-12)
    slices = reference.group_slices(5, group_size)
    by_group = [covariance for block in covariances for covariance in block]
    for covariance, s in zip(by_group, slices, strict=True):
        np.testing.assert_allclose(covariance, reference.covariance(x[counts][:, s]), atol=1e-12)
    like = [w for block in blocks for w in block.numpy()]

    def loss(x):
        matrices = reference.matrices(x[counts], like=like, **options)
        return np.sum(dy * reference.apply(x, x[counts].mean(0), matrices, GAMMA, BETA))

    y, (dx, *_) = gradients.by_tape(op(weights=weights, **options), [x, GAMMA, BETA], dy)
    assert np.isclose(np.sum(dy * y), loss(x), rtol=1e-10)
    assert gradients.relative_error(dx, gradients.by_differences(loss, x)) < 1e-8


@pytest.mark.parametrize("method", WHITENERS)
def test_no_row_with_weight(method):
    x = tf.constant(samples.GENERIC)
    y, mean, _, _ = batch_whitening(x, None, None, method=method, weights=tf.zeros(9, tf.float64))
    assert np.isfinite(y).all()
    assert not np.isfinite(mean).any()


SECOND_ORDER = [
    ("pca", "generic"),
    *((method, case) for method in ("zca", "cd", "itn") for case in samples.CASES),
]


@pytest.mark.parametrize("method, case", SECOND_ORDER)
def test_gradient_of_a_gradient(method, case):
    """As a gradient penalty takes it: the derivative of dx along v, by differences of dx."""
    x = samples.CASES[case]
    dy, v = upstream(x), np.random.default_rng(6).normal(size=x.shape)

    def first(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = op(method=method)(x, tf.constant(GAMMA), tf.constant(BETA))
        return tape.gradient(y, x, output_gradients=dy)

    _, (second,) = gradients.by_tape(first, [x], v)
    truth = gradients.by_differences(
        lambda t: np.sum(v * first(tf.constant(x + t * v)).numpy()), np.array(0.0)
    )
    assert np.isclose(np.sum(second * v), truth, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", sorted(WHITENERS.keys() - {"pca"}))
def test_gradient_of_a_gradient_through_functions_within_functions(method):
    """As of a compiled critic within a compiled step: each function has a graph of its own."""
    x = samples.rows(20, np.linspace(2.0, 0.5, 5))
    dy, v = upstream(x), upstream(x)[::-1]

    def first(y):
        def gradient(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = y(x)
            return tape.gradient(value, x, output_gradients=tf.constant(dy))

        return gradient

    def y(x):
        return op(method=method, group_size=2)(x, None, None)

    _, (within,) = gradients.by_tape(tf.function(first(tf.function(y))), [x], v)
    _, (eager,) = gradients.by_tape(first(y), [x], v)
    np.testing.assert_allclose(within, eager, rtol=1e-9, atol=1e-12)
