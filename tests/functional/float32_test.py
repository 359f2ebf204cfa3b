"""Single precision where the obvious code is silently wrong, next to what tfnorm does instead."""

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

from tests import gradients, reference, samples
from tfnorm.functional import WHITENERS, batch_whitening, whitening_matrix

RNG = np.random.default_rng(11)
# Channels of +1 and -1, uncorrelated: all eigenvalues of the covariance are 1.
DESIGN = scipy.linalg.hadamard(8)[:, 1:]


def single(x):
    """Rounded to float32 and held in float64, so that both precisions see the same numbers."""
    return np.asarray(x, np.float32).astype(np.float64)


EQUAL_EIGENVALUES = {
    "white input": DESIGN,
    "rank-deficient batch": scipy.linalg.hadamard(16)[:8, 1:],
    "duplicate channels": np.tile(DESIGN, 2),
    "dead channels": np.concatenate([DESIGN, 0 * DESIGN], axis=1),
}
DEGENERATE = EQUAL_EIGENVALUES | {
    "random rank-deficient batch": RNG.normal(size=(8, 16)),
    "random duplicate channels": np.tile(RNG.normal(size=(64, 4)), 2),
}


def zca_by_autodiff(decompose):
    """What one writes first, and lets TensorFlow differentiate."""

    def whiten(x):
        centred = x - tf.reduce_mean(x, 0)
        covariance = tf.matmul(centred, centred, transpose_a=True) / x.shape[0]
        values, u = decompose(covariance + 1e-3 * tf.eye(x.shape[1], dtype=x.dtype))[:2]
        return tf.matmul(centred, tf.matmul(u / tf.sqrt(values), u, transpose_b=True))

    return whiten


def whitening(method):
    return lambda x: batch_whitening(x, None, None, method=method)[0]


def upstream(x):
    return single(np.random.default_rng(5).normal(size=x.shape))


def true_gradient(x, dy, method):
    like = None
    if method == "pca":
        matrices = batch_whitening(tf.constant(x, tf.float32), None, None, method=method)[3]
        like = [matrices[0][0].numpy()]
    return gradients.by_differences(
        lambda x: np.sum(dy * reference.whiten(x, method=method, like=like)), x
    )


@pytest.mark.parametrize("case", EQUAL_EIGENVALUES)
@pytest.mark.parametrize("decompose", [tf.linalg.eigh, tf.linalg.svd])
def test_autodiff_of_a_decomposition_is_wrong_and_the_closed_form_right(decompose, case):
    x = EQUAL_EIGENVALUES[case]
    dy = upstream(x)
    truth = true_gradient(x, dy, "zca")
    wrong_y, (wrong,) = gradients.by_tape(zca_by_autodiff(decompose), [x], dy, "float32")
    y, (right,) = gradients.by_tape(whitening("zca"), [x], dy, "float32")
    # Nothing in the value or in the size of the gradient gives it away.
    np.testing.assert_allclose(wrong_y, y, atol=1e-4)
    assert np.abs(wrong).max() < 2 * np.abs(truth).max()
    assert gradients.relative_error(wrong, truth) > 0.3
    assert gradients.relative_error(right, truth) < 1e-4


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("method", ["zca", "cd", "itn"])
def test_degenerate_batches(method, case):
    x = single(DEGENERATE[case])
    dy = upstream(x)
    _, (gradient,) = gradients.by_tape(whitening(method), [x], dy, "float32")
    assert gradients.relative_error(gradient, true_gradient(x, dy, method)) < 1e-3


@pytest.mark.parametrize("ratio", [10, 100])
@pytest.mark.parametrize("method", WHITENERS)
def test_large_mean(method, ratio):
    """E(x x^T) - mean mean^T would lose the covariance to the mean: NaN at a ratio of 100."""
    x = single(samples.rows(32, np.linspace(2.0, 0.5, 6), mean=ratio * np.sqrt(2.0)))
    dy = upstream(x)
    _, (gradient,) = gradients.by_tape(whitening(method), [x], dy, "float32")
    # The mean is rounded by eps times the ratio.
    assert gradients.relative_error(gradient, true_gradient(x, dy, method)) < 1e-6 * ratio


# Newton's iteration at 16 channels and a condition number of 1000.
SIGMA = samples.covariance(np.geomspace(1.0, 1e-3, 16))


@pytest.mark.parametrize("iterations", range(1, 15))
def test_newtons_iteration_does_not_diverge(iterations):
    w = whitening_matrix(tf.constant(SIGMA, tf.float32), "itn", 0.0, iterations).numpy()
    assert gradients.relative_error(w, reference.itn(SIGMA, iterations)) < 1e-4


def test_the_printed_iteration_diverges():
    as_printed = SIGMA.astype(np.float32)
    error = {
        steps: gradients.relative_error(
            reference.itn_as_printed(as_printed, steps), reference.itn(SIGMA, steps)
        )
        for steps in (7, 10, 12)
    }
    assert error[7] < 1e-3
    assert error[10] > 1
    assert error[12] > 1e4


@pytest.mark.parametrize("iterations", [5, 10, 14])
def test_gradient_of_newtons_iteration(iterations):
    dw = upstream(SIGMA)
    _, (gradient,) = gradients.by_tape(
        lambda sigma: whitening_matrix(sigma, "itn", 0.0, iterations), [SIGMA], dw, "float32"
    )
    truth = gradients.by_differences(
        lambda sigma: np.sum(dw * reference.itn((sigma + sigma.T) / 2, iterations)), SIGMA, 1e-6
    )
    assert gradients.relative_error(gradient, truth) < 1e-4


# Eigenvalues that are equal as far as rounding lets them be seen, though not to the last bit.
UNRESOLVED = {
    "all equal": np.ones(32),
    "small next to a large one": np.r_[100.0, np.full(31, 1e-3)],
    "two clusters": np.r_[np.full(16, 2.0), np.full(16, 1e-5)],
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", UNRESOLVED)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pca_does_not_divide_by_rounding(dtype, case, seed):
    """A difference of eigenvalues that is all rounding would make gradients of 1e5 or 1e14."""
    x = samples.rows(64, UNRESOLVED[case], seed=seed)
    _, (gradient,) = gradients.by_tape(whitening("pca"), [x], upstream(x), dtype)
    # dx = dy W is at most |dy| / sqrt(epsilon) for a W that does not change.
    assert np.abs(gradient).max() < 10 / np.sqrt(1e-3)
