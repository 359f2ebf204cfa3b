"""Group whitening against the paper's formulas in NumPy, and its gradients against differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, reference
from tfnorm.functional import WHITENERS, compilation, group_whitening

RNG = np.random.default_rng(0)
MIXED = RNG.normal(size=(12, 12))
X = RNG.normal(size=(3, 24, 12)) @ MIXED + np.arange(12.0)
GAMMA, BETA = RNG.normal(size=(2, 12))
WEIGHTS = (RNG.uniform(size=(3, 24)) < 0.7).astype(np.float64)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["all", "masked"])
@pytest.mark.parametrize("groups", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("method", WHITENERS)
def test_values(method, groups, weights):
    y = group_whitening(
        tf.constant(X), GAMMA, BETA, groups=groups, method=method, epsilon=0.01, weights=weights
    ).numpy()
    plain = group_whitening(
        tf.constant(X), None, None, groups=groups, method=method, epsilon=0.01, weights=weights
    ).numpy()
    truth = reference.group_whiten(X, groups, method, 0.01, weights=weights, like=plain)
    np.testing.assert_allclose(plain, truth, atol=1e-9)
    np.testing.assert_allclose(y, GAMMA * truth + BETA, atol=1e-9)


@pytest.mark.parametrize("weights", [None, WEIGHTS[:2, :5]], ids=["all", "masked"])
@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("method", WHITENERS)
def test_gradients(method, groups, weights):
    x, dy = X[:2, :5, :6], RNG.normal(size=(2, 5, 6))
    gamma, beta = GAMMA[:6], BETA[:6]

    @tf.function
    def y(x, gamma, beta):
        options = {"groups": groups, "method": method, "epsilon": 0.1, "weights": weights}
        return group_whitening(x, gamma, beta, **options)

    _, found = gradients.by_tape(y, [x, gamma, beta], dy)
    inputs = [tf.constant(value) for value in (x, gamma, beta)]
    for i, value in enumerate(found):

        def loss(point, i=i):
            return np.sum(dy * y(*inputs[:i], tf.constant(point), *inputs[i + 1 :]).numpy())

        truth = gradients.by_differences(loss, inputs[i].numpy())
        assert gradients.relative_error(value, truth) < 1e-7


@pytest.mark.parametrize("method", sorted(WHITENERS.keys() - {"pca"}))
def test_gradient_of_a_gradient_and_forward_mode(method):
    x, dy, v = X[:1, :4, :4], RNG.normal(size=(1, 4, 4)), RNG.normal(size=(1, 4, 4))

    def y(x):
        return group_whitening(x, None, None, groups=2, method=method, epsilon=0.1)

    @tf.function
    def first(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = y(x)
        return tape.gradient(value, x, output_gradients=tf.constant(dy))

    _, (second,) = gradients.by_tape(first, [x], v)
    truth = gradients.by_differences(lambda x: np.sum(v * first(tf.constant(x)).numpy()), x)
    assert gradients.relative_error(second, truth) < 1e-6
    point = tf.constant(x)
    with tf.autodiff.ForwardAccumulator(point, tf.constant(v)) as accumulator:
        value = y(point)
    (dx,) = gradients.by_tape(y, [x], dy)[1]
    np.testing.assert_allclose(np.sum(accumulator.jvp(value) * dy), np.sum(dx * v), rtol=1e-9)


def test_each_sample_is_by_itself():
    one = group_whitening(tf.constant(X[1:2]), None, None, groups=3)
    all_of_them = group_whitening(tf.constant(X), None, None, groups=3)
    np.testing.assert_allclose(all_of_them[1:2], one, atol=1e-12)


@pytest.mark.parametrize("method", ["zca", "cd", "pca"])
def test_groups_of_a_sample_are_white(method):
    y = group_whitening(tf.constant(X), None, None, groups=4, method=method, epsilon=0.0)
    values = tf.reshape(tf.transpose(tf.reshape(y, [3, 24, 4, 3]), [0, 2, 1, 3]), [3, 4, 72])
    covariance = tf.matmul(values, values, transpose_b=True) / 72
    np.testing.assert_allclose(covariance, np.stack([np.eye(4)] * 3), atol=1e-8)


def test_one_group_is_group_normalization():
    y = group_whitening(tf.constant(X), None, None, groups=1, method="zca", epsilon=0.1)
    layer = keras.layers.GroupNormalization(1, epsilon=0.1, dtype="float64")
    np.testing.assert_allclose(y, layer(X), atol=1e-9)


def test_a_sample_that_is_not_finite_spoils_itself_alone():
    x = X.copy()
    x[1, 2, 3] = np.nan
    for method in WHITENERS:
        y = group_whitening(tf.constant(x), None, None, groups=3, method=method).numpy()
        truth = group_whitening(tf.constant(X), None, None, groups=3, method=method).numpy()
        np.testing.assert_allclose(y[[0, 2]], truth[[0, 2]], atol=1e-12)
        assert np.isnan(y[1]).all()


@pytest.mark.parametrize("ratio", [1e1, 1e3, 1e4])
def test_a_large_mean_in_float32(ratio):
    x = (RNG.normal(size=(2, 64, 8)) + ratio).astype(np.float32)
    y = group_whitening(tf.constant(x), None, None, groups=4)
    truth = reference.group_whiten(x.astype(np.float64), 4, "itn")
    assert np.abs(y - truth).max() < 2e-6 * max(ratio, 10)


@pytest.mark.parametrize("groups", [0, 5, 24])
def test_groups_that_do_not_divide_the_channels(groups):
    with pytest.raises(ValueError, match=f"must divide .* Received: groups={groups}, x.shape="):
        group_whitening(tf.constant(X), None, None, groups=groups)


@pytest.mark.parametrize("weighed", [False, True])
def test_by_xla_it_is_the_same(weighed, monkeypatch):
    x = RNG.normal(1.0, 2.0, size=(2, 6, 8)).astype(np.float32)
    weights = WEIGHTS[:2, :6].astype(np.float32) if weighed else None
    inputs = [x, *RNG.normal(size=(2, 8))]

    def found():
        def y(*inputs):
            return group_whitening(*inputs, groups=4, weights=weights)

        return gradients.by_tape(y, inputs, np.arange(96.0).reshape(x.shape), "float32")

    expected = found()
    compiled = []
    monkeypatch.setattr(compilation, "_MANY", 0)
    own = group_whitening.__globals__["_compiled"]
    monkeypatch.setitem(
        group_whitening.__globals__, "_compiled", lambda f: compiled.append(f) or own(f)
    )
    (y, all_gradients), (truth, true_gradients) = found(), expected
    assert compiled
    np.testing.assert_allclose(y, truth, atol=1e-6)
    for value, gradient in zip(all_gradients, true_gradients, strict=True):
        np.testing.assert_allclose(value, gradient, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("method", WHITENERS)
def test_a_sample_without_a_pixel_that_counts(method):
    weights = np.ones((3, 24))
    weights[1] = 0
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = group_whitening(
            x, None, None, groups=3, method=method, epsilon=0.0, weights=tf.constant(weights)
        )
        loss = tf.reduce_sum(y**3)
    assert np.isfinite(y).all() and np.isfinite(tape.gradient(loss, x)).all()
