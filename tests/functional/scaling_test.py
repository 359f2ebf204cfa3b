"""What Newton's iteration divides the covariance by."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, reference, samples
from tfnorm.functional import batch_whitening, whitening_matrix
from tfnorm.functional.whiteners import SCALINGS

SIGMA = reference.covariance(samples.rows(30, np.linspace(3.0, 0.3, 5)))


def steps_to_whiten(covariance, scaling, within=0.05):
    """Steps until the deviation in each direction is within so much of 1."""
    for steps in range(1, 20):
        options = {"method": "itn", "epsilon": 0.0, "iterations": steps, "scaling": scaling}
        w = whitening_matrix(tf.constant(covariance), **options).numpy()
        if np.max(np.abs(np.sqrt(np.linalg.eigvalsh(w @ covariance @ w)) - 1.0)) <= within:
            return steps
    raise AssertionError("not within 20 steps")


def test_there_is_a_reference_for_each():
    assert SCALINGS.keys() == reference.DIVISORS.keys()


@pytest.mark.parametrize("iterations", [1, 2, 5])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_matrix_and_gradient(scaling, iterations):
    dw = np.random.default_rng(1).normal(size=(5, 5))

    def truth(sigma):
        shifted = (sigma + sigma.T) / 2 + 1e-3 * np.eye(5)
        return reference.itn(shifted, iterations, reference.DIVISORS[scaling])

    w, (gradient,) = gradients.by_tape(
        lambda sigma: whitening_matrix(sigma, "itn", iterations=iterations, scaling=scaling),
        [SIGMA],
        dw,
    )
    np.testing.assert_allclose(w, truth(SIGMA), rtol=1e-12)
    by_differences = gradients.by_differences(lambda s: np.sum(dw * truth(s)), SIGMA)
    assert gradients.relative_error(gradient, by_differences) < 1e-8


@pytest.mark.parametrize("scaling", SCALINGS)
def test_gradient_of_a_batch_and_of_its_gradient(scaling):
    x = samples.rows(20, np.linspace(2.0, 0.2, 8), mean=0.5)
    rng = np.random.default_rng(1)
    dy, v = rng.normal(size=(2, *x.shape))

    @tf.function
    def y(x):
        return batch_whitening(x, None, None, method="itn", group_size=4, scaling=scaling)[0]

    @tf.function
    def first(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = y(x)
        return tape.gradient(value, x, output_gradients=tf.constant(dy))

    _, (dx,) = gradients.by_tape(y, [x], dy)
    truth = gradients.by_differences(lambda x: np.sum(dy * y(tf.constant(x)).numpy()), x)
    assert gradients.relative_error(dx, truth) < 1e-7
    _, (second,) = gradients.by_tape(first, [x], v)
    truth = gradients.by_differences(lambda x: np.sum(v * first(tf.constant(x)).numpy()), x)
    assert gradients.relative_error(second, truth) < 1e-6


@pytest.mark.parametrize("channels, steps", [(16, [5, 4, 2]), (64, [7, 5, 3]), (256, [10, 7, 4])])
def test_steps_by_channels(channels, steps):
    """Of docs/choosing.md: 1,024 rows of independent normal channels."""
    rows = np.random.default_rng(0).normal(size=(1024, channels))
    covariance = reference.covariance(rows)
    assert [steps_to_whiten(covariance, scaling) for scaling in SCALINGS] == steps


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_covariance_that_is_not_finite(scaling):
    stack = np.stack([SIGMA, SIGMA])
    stack[1, 2, 3] = stack[1, 3, 2] = np.nan
    w = whitening_matrix(tf.constant(stack), "itn", scaling=scaling).numpy()
    alone = whitening_matrix(tf.constant(SIGMA), "itn", scaling=scaling)
    np.testing.assert_allclose(w[0], alone, rtol=1e-12)
    assert not np.isfinite(w[1]).any()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: whitening_matrix(x, scaling="norm"),
        lambda x: batch_whitening(x, None, None, scaling="norm")[0],
    ],
)
def test_a_scaling_that_there_is_not(function):
    message = r"one of \['frobenius', 'spectral', 'trace'\]\. Received: scaling='norm'"
    with pytest.raises(ValueError, match=message):
        function(tf.constant(SIGMA))


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e20, 1e25])
@pytest.mark.parametrize("method", ["pca", "zca", "cd", *SCALINGS])
def test_covariances_of_any_size_in_float32(method, size):
    """Squares of their entries are no float32."""
    options = {"method": method, "epsilon": 0.0}
    if method in SCALINGS:
        options = {"method": "itn", "epsilon": 0.0, "iterations": 12, "scaling": method}
    w = whitening_matrix(tf.constant(SIGMA * size, tf.float32), **options)
    w = w.numpy().astype(np.float64)
    np.testing.assert_allclose(w @ (SIGMA * size) @ w.T, np.eye(5), atol=2e-3)


@pytest.mark.parametrize("size", [1e-20, 1e20])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_gradients_of_small_and_large_covariances(scaling, size):
    dw = np.random.default_rng(1).normal(size=(5, 5))

    def gradient(sigma, dtype):
        return gradients.by_tape(
            lambda sigma: whitening_matrix(sigma, "itn", 0.0, scaling=scaling), [sigma], dw, dtype
        )[1][0]

    truth = gradient(SIGMA * size, "float64")
    assert gradients.relative_error(gradient(SIGMA * size, "float32"), truth) < 1e-4
