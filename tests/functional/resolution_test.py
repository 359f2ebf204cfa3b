"""What float32 can resolve of a covariance: right down to there, and finite below."""

import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tests import gradients, reference, samples
from tfnorm.functional import batch_whitening, whitening_matrix

EPSILON = 1e-3
EXACT = ("pca", "zca", "cd")


def single(array):
    return np.asarray(array, np.float32)


def matrix(sigma, method, **options):
    return whitening_matrix(tf.constant(single(sigma)), method, **options).numpy()


def error(w, truth):
    return np.abs(w - truth).max() / np.abs(truth).max()


def conditioned(channels, condition, deviation, seed=0):
    """A covariance with eigenvalues over so many orders of magnitude, as float32 has it."""
    values = deviation**2 * np.geomspace(1.0, 1.0 / condition, channels)
    return np.asarray(single(samples.covariance(values, seed=seed)), np.float64)


@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("deviation", [1, 10, 100])
@pytest.mark.parametrize("channels", [16, 64, 256])
def test_cd_is_as_good_as_a_factorisation_without_a_shift(channels, deviation, condition):
    sigma = conditioned(channels, condition, deviation)
    truth = reference.cd(sigma + EPSILON * np.eye(channels))
    shifted = single(sigma) + np.float32(EPSILON) * np.eye(channels, dtype=np.float32)
    try:
        plain = error(np.linalg.inv(np.linalg.cholesky(shifted)), truth)
    except np.linalg.LinAlgError:
        plain = np.inf
    assert error(matrix(sigma, "cd"), truth) < 2 * plain + 1e-6


@pytest.mark.parametrize("deviation", [1, 10])
@pytest.mark.parametrize("channels", [64, 256])
@pytest.mark.parametrize("method", EXACT)
def test_well_conditioned_batches_are_right_to_six_digits(method, channels, deviation):
    """A shift by eps times the trace was off by 1.2e-2 at 256 channels of deviation 1."""
    x = samples.rows(4 * channels, np.full(channels, float(deviation) ** 2), seed=1)
    y = batch_whitening(tf.constant(single(x)), None, None, method=method)[0].numpy()
    truth = reference.whiten(
        np.asarray(single(x), np.float64),
        method=method,
        like=[matrix(reference.covariance(x), method)] if method == "pca" else None,
    )
    if method == "pca":  # eigenvectors of near eigenvalues turn; what is whitened does not
        y, truth = y @ y.T, truth @ truth.T
    assert error(y, truth) < 2e-5


def singular(rng):
    """Low rank, repeated rows, duplicate channels, at any scale."""
    channels = int(rng.choice([2, 4, 16, 32]))
    rank = int(rng.integers(1, 5))
    x = rng.normal(size=(40, rank)) @ rng.normal(size=(rank, channels))
    x = np.repeat(x[:: int(rng.choice([1, 2, 4]))], 4, axis=0)[:40]
    if rng.random() < 0.3:
        x[:, : channels // 2] = x[:, channels // 2 : 2 * (channels // 2)]
    return single(x * 10.0 ** rng.uniform(0, 4))


def test_singular_batches_are_finite():
    """Two of some thousand gave NaN by Cholesky with a shift of eps times the trace."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        sigma = single(reference.covariance(singular(rng)))
        for method in EXACT:
            w = matrix(sigma, method)
            assert np.isfinite(w).all()
            assert np.abs(w).max() <= 2 / np.sqrt(EPSILON)


def test_rounding_may_leave_an_eigenvalue_more_negative_than_is_resolved():
    """-2.1 eps ||S||_F was seen of 64 rows, -4.3 of 16,384: one shift is not always enough."""
    resolution = np.finfo(np.float32).eps
    rng = np.random.default_rng(6)
    basis = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    for multiple in (2.5, 4.3, 20.0, 100.0):
        values = np.append(-multiple * resolution * 1e5, np.full(15, 1e5 / np.sqrt(15)))
        sigma = single((basis * values) @ basis.T)
        w = matrix((sigma + sigma.T) / 2, "cd")
        assert np.isfinite(w).all() and np.abs(w).max() <= 1 / np.sqrt(EPSILON)
    # One sound matrix beside it is as it is alone.
    both = np.stack([sigma, np.eye(16, dtype=np.float32)])
    np.testing.assert_array_equal(matrix(both, "cd")[1], matrix(np.eye(16), "cd"))


@pytest.mark.parametrize("scales", [(1.0, 1e5), (1e-6, 1e6)])
@pytest.mark.parametrize("method", EXACT)
def test_rounding_is_not_amplified(method, scales):
    """Outputs were up to 30,000 where float64 has 2.5: noise over the root of noise."""
    rng = np.random.default_rng(2)
    mixing = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    x = single((rng.normal(size=(256, 4)) * np.geomspace(*scales, 4)) @ mixing)
    y = batch_whitening(tf.constant(x), None, None, method=method)[0].numpy()
    assert np.abs(y).max() < 6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_entry_of_pcas_rows_is_positive(dtype):
    stack = tf.constant([samples.covariance(np.geomspace(4, 0.1, 9), seed=s) for s in range(20)])
    w = whitening_matrix(tf.cast(stack, dtype), "pca").numpy()
    is_largest = np.abs(w) > 0.998 * np.abs(w).max(-1, keepdims=True)
    first = is_largest.argmax(-1)
    assert (np.take_along_axis(w, first[..., None], -1) > 0).all()


def test_of_entries_as_large_as_each_other_the_first_is_positive():
    """Eigenvectors (1, 1) and (1, -1): rounding must not decide."""
    for noise in (0.0, 1e-7, -1e-7):
        sigma = np.array([[1.0 + noise, 0.5], [0.5, 1.0 - noise]])
        assert (matrix(sigma, "pca")[:, 0] > 0).all()


def test_pcas_moving_matrix_whitens():
    """Rows of arbitrary signs would cancel in the average, and inference with them."""
    rng = np.random.default_rng(3)
    # Each eigenvector has an entry that is the largest by far.
    turn = np.linalg.qr(np.eye(6) + 0.25 * rng.normal(size=(6, 6)))[0]
    mixing = (turn * np.geomspace(3, 0.3, 6)) @ turn.T
    layer = tfnorm.BatchWhitening("pca", estimate="matrix", momentum=0.9)
    for _ in range(100):
        layer(tf.constant(single(rng.normal(size=(2000, 6)) @ mixing)), training=True)
    y = layer(tf.constant(single(rng.normal(size=(5000, 6)) @ mixing))).numpy()
    np.testing.assert_allclose(y.var(0), 1.0, atol=0.12)


@pytest.mark.parametrize("method", ["pca", "zca", "cd", "itn"])
def test_forward_mode_is_reverse_modes_transpose(method):
    """ZCA's gradient asked for a name that was assigned after the call."""
    sigma = tf.constant(samples.covariance(np.geomspace(3.0, 0.2, 5)))
    rng = np.random.default_rng(4)
    tangent = rng.normal(size=(5, 5))
    tangent = tf.constant(tangent + tangent.T)
    cotangent = tf.constant(rng.normal(size=(5, 5)))
    with tf.autodiff.ForwardAccumulator(sigma, tangent) as forward:
        w = whitening_matrix(sigma, method)
    jvp = float(tf.reduce_sum(forward.jvp(w) * cotangent))
    _, (gradient,) = gradients.by_tape(lambda s: whitening_matrix(s, method), [sigma], cotangent)
    assert jvp == pytest.approx(float(tf.reduce_sum(gradient * tangent)), rel=1e-10)


def test_second_derivatives_of_zca_in_forward_over_reverse_and_reverse_over_forward():
    sigma = tf.constant(samples.covariance(np.geomspace(3.0, 0.2, 4)))
    tangent = tf.constant(samples.covariance(np.ones(4), seed=5) + 0.1)

    def loss(s):
        return tf.reduce_sum(whitening_matrix(s, "zca") ** 3)

    with tf.autodiff.ForwardAccumulator(sigma, tangent) as forward:
        with tf.GradientTape() as tape:
            tape.watch(sigma)
            value = loss(sigma)
        gradient = tape.gradient(value, sigma)
    first = forward.jvp(gradient)
    with tf.GradientTape() as tape:
        tape.watch(sigma)
        with tf.autodiff.ForwardAccumulator(sigma, tangent) as forward:
            value = loss(sigma)
        slope = forward.jvp(value)
    second = tape.gradient(slope, sigma)
    step = 1e-5
    with_tape = []
    for sign in (1, -1):
        with tf.GradientTape() as tape:
            moved = sigma + sign * step * tangent
            tape.watch(moved)
            value = loss(moved)
        with_tape.append(tape.gradient(value, moved).numpy())
    truth = (with_tape[0] - with_tape[1]) / (2 * step)
    np.testing.assert_allclose(first, truth, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(second, truth, rtol=1e-6, atol=1e-7)
