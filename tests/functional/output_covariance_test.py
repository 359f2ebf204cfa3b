"""The covariance of whitened rows against what it is exactly: not quite the identity.

With S the covariance, U and l its eigenvectors and eigenvalues, the shift of epsilon leaves

    pca  diag(l / (l + epsilon))
    zca  U diag(l / (l + epsilon)) U^T
    cd   I - epsilon (S + epsilon I)^-1, rotated: L^-1 S L^-T
    itn  U diag(q l / (l + epsilon)) U^T, q from (l + epsilon) / trace by q <- q (1.5 - 0.5 q)^2
"""

import numpy as np
import pytest
import tensorflow as tf

from tests import reference, samples
from tfnorm.functional import batch_whitening

EPSILON = 0.02
EIGENVALUES = np.array([4.0, 2.0, 1.5, 1.0, 0.9, 0.6, 0.5, 0.3, 0.2, 0.15, 0.1])
X = samples.rows(64, EIGENVALUES, mean=1.0)
# 4, 4 and 3 channels; one group of all; more than there are.
GROUP_SIZES = (4, None, 16)


def pca(s, iterations):
    values = np.linalg.eigvalsh(s)
    return np.diag(values / (values + EPSILON))


def zca(s, iterations):
    return s @ np.linalg.inv(s + EPSILON * np.eye(len(s)))


def cd(s, iterations):
    inverse = np.linalg.inv(np.linalg.cholesky(s + EPSILON * np.eye(len(s))))
    return np.eye(len(s)) - EPSILON * inverse @ inverse.T


def itn(s, iterations):
    values, u = np.linalg.eigh(s)
    q = (values + EPSILON) / np.sum(values + EPSILON)
    for _ in range(iterations):
        q = q * (1.5 - 0.5 * q) ** 2
    return (u * (q * values / (values + EPSILON))) @ u.T


EXPECTATIONS = {"pca": pca, "zca": zca, "cd": cd, "itn": itn}
ROWS = [("pca", 5), ("zca", 5), ("cd", 5), *(("itn", steps) for steps in range(1, 15))]


def output_covariances(dtype, group_size, **options):
    """The covariance of the output in each group."""
    x = tf.constant(X, dtype)
    y, *_ = batch_whitening(x, None, None, epsilon=EPSILON, group_size=group_size, **options)
    assert y.dtype == dtype
    whole = reference.covariance(y.numpy().astype(np.float64))
    return [whole[s, s] for s in reference.group_slices(len(EIGENVALUES), group_size)]


@pytest.mark.parametrize("group_size", GROUP_SIZES)
@pytest.mark.parametrize("method, iterations", ROWS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_output_covariance(method, iterations, group_size, dtype):
    by_group = output_covariances(dtype, group_size, method=method, iterations=iterations)
    slices = reference.group_slices(len(EIGENVALUES), group_size)
    # Rounding S by eps |S| changes W S W^T by eps times the condition number, which is at most 34
    # here in any group; 8 roundings' worth of that is 3e-5 in float32, 6e-14 in float64.
    tolerance = 8 * np.finfo(dtype).eps * EIGENVALUES[0] / (EIGENVALUES[-1] + EPSILON)
    for value, s in zip(by_group, slices, strict=True):
        expected = EXPECTATIONS[method](reference.covariance(X[:, s]), iterations)
        np.testing.assert_allclose(value, expected, atol=tolerance)


def test_itn_whitens_large_eigenvalues_first():
    """One step leaves the small eigenvalues small: a test of the identity would be wrong."""
    (once,) = output_covariances("float64", None, method="itn", iterations=1)
    (often,) = output_covariances("float64", None, method="itn", iterations=14)
    assert np.linalg.eigvalsh(once).min() < 0.05
    assert np.linalg.eigvalsh(often).min() > 0.8


@pytest.mark.parametrize("method", EXPECTATIONS)
def test_without_epsilon_and_shift_the_covariance_is_the_identity(method):
    y, *_ = batch_whitening(
        tf.constant(X), None, None, method=method, group_size=4, epsilon=0.0, iterations=12
    )
    whole = reference.covariance(y.numpy())
    for s in reference.group_slices(11, 4):
        np.testing.assert_allclose(whole[s, s], np.eye(s.stop - s.start), atol=1e-12)


@pytest.mark.parametrize("method", EXPECTATIONS)
def test_scale_and_shift_come_after_whitening(method):
    gamma, beta = np.linspace(-1, 2, 11), np.linspace(3, 4, 11)
    options = {"method": method, "group_size": 4, "epsilon": EPSILON}
    plain, *_ = batch_whitening(tf.constant(X), None, None, **options)
    y, *_ = batch_whitening(tf.constant(X), tf.constant(gamma), tf.constant(beta), **options)
    np.testing.assert_allclose(y, gamma * plain + beta, atol=1e-12)
    np.testing.assert_allclose(tf.reduce_mean(plain, 0), np.zeros(11), atol=1e-12)


@pytest.mark.parametrize("method", EXPECTATIONS)
def test_statistics_are_those_of_the_batch(method):
    _, mean, covariances, matrices = batch_whitening(
        tf.constant(X), None, None, method=method, group_size=4, epsilon=EPSILON
    )
    np.testing.assert_allclose(mean, X.mean(0), atol=1e-13)
    assert [tuple(c.shape) for c in covariances] == [(2, 4, 4), (1, 3, 3)]
    by_group = [c for block in covariances for c in block.numpy()]
    whitening = [w for block in matrices for w in block.numpy()]
    like = whitening if method == "pca" else None
    expected = reference.matrices(X, method, 4, EPSILON, like=like)
    for s, c, w, truth in zip(
        reference.group_slices(11, 4), by_group, whitening, expected, strict=True
    ):
        np.testing.assert_allclose(c, reference.covariance(X[:, s]), atol=1e-13)
        np.testing.assert_allclose(w, truth, atol=1e-12)


def test_statistics_carry_no_gradient():
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        _, mean, covariances, matrices = batch_whitening(x, None, None, method="zca")
        total = tf.add_n([tf.reduce_sum(value) for value in (mean, *covariances, *matrices)])
    gradient = tape.gradient(total, x, unconnected_gradients="zero")
    np.testing.assert_array_equal(gradient, np.zeros_like(X))
