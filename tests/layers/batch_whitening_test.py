"""BatchWhitening: which statistics it uses and follows, against NumPy and BatchNormalization."""

import functools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, reference
from tfnorm import BatchWhitening
from tfnorm.functional import WHITENERS

CHANNELS, GROUP_SIZE, EPSILON = 5, 2, 0.05
every_method = pytest.mark.parametrize("method", WHITENERS)
every_estimate = pytest.mark.parametrize("estimate", ["covariance", "matrix"])


def images(seed, batch=4):
    """Channels that are correlated, off centre, and of different size."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(CHANNELS) + 0.5 * np.random.default_rng(99).normal(size=(CHANNELS, CHANNELS))
    return rng.normal(size=(batch, 3, 2, CHANNELS)) @ mixing + np.arange(CHANNELS)


def rows_of(x):
    return np.asarray(x).reshape(-1, CHANNELS)


def make(**options):
    layer = BatchWhitening(
        **({"group_size": GROUP_SIZE, "epsilon": EPSILON} | options), dtype="float64"
    )
    layer.build((None, 3, 2, CHANNELS))
    for seed, weight in enumerate(layer.trainable_weights):
        weight.assign(np.random.default_rng(seed).normal(size=CHANNELS))
    return layer


def affine(layer):
    return [np.asarray(layer.gamma.numpy()), np.asarray(layer.beta.numpy())]


def signs_of(layer, x):
    """The whitening matrices as the layer turns them: PCA's signs are anyone's choice."""
    if layer.method != "pca":
        return None
    probe = make(method="pca", estimate="matrix", momentum=0.0)
    probe(x, training=True)
    return moving_matrices(probe)


def moving_matrices(layer, name="moving_matrix"):
    return [*getattr(layer, name).numpy(), *getattr(layer, f"{name}_last").numpy()]


@every_method
@every_estimate
def test_training_whitens_by_the_batch(method, estimate):
    layer = make(method=method, estimate=estimate, iterations=3)
    x = images(0)
    expected = reference.whiten(
        rows_of(x),
        *affine(layer),
        method=method,
        group_size=GROUP_SIZE,
        epsilon=EPSILON,
        iterations=3,
        like=signs_of(layer, x),
    )
    for _ in range(2):  # whatever the moving statistics
        y = layer(x, training=True)
        assert y.shape == x.shape
        np.testing.assert_allclose(rows_of(y), expected, atol=1e-11)


@every_method
def test_moving_covariance_and_what_inference_makes_of_it(method):
    layer = make(method=method, momentum=0.9)
    mean, covariances = np.zeros(CHANNELS), [np.eye(2), np.eye(2), np.eye(1)]
    for seed in range(3):
        x = rows_of(images(seed))
        layer(images(seed), training=True)
        mean = 0.9 * mean + 0.1 * x.mean(0)
        batch = [reference.covariance(x[:, s]) for s in reference.group_slices(CHANNELS, 2)]
        covariances = [0.9 * c + 0.1 * b for c, b in zip(covariances, batch, strict=True)]
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-12)
    for moving, covariance in zip(
        moving_matrices(layer, "moving_covariance"), covariances, strict=True
    ):
        np.testing.assert_allclose(moving, covariance, rtol=1e-12, atol=1e-13)
    whitening = [reference.WHITENERS[method](c + EPSILON * np.eye(len(c)), 5) for c in covariances]
    if method == "pca":
        like = [w for block in layer.inference_matrices() for w in block.numpy()]
        whitening = [reference.aligned(*pair) for pair in zip(whitening, like, strict=True)]
    x = images(7, batch=2)
    expected = reference.apply(rows_of(x), mean, whitening, *affine(layer))
    np.testing.assert_allclose(rows_of(layer(x, training=False)), expected, atol=1e-11)
    np.testing.assert_array_equal(layer(x), layer(x, training=False))


@every_method
def test_moving_matrix_and_what_inference_makes_of_it(method):
    layer = make(method=method, estimate="matrix", momentum=0.9)
    mean, whitening = np.zeros(CHANNELS), [np.eye(2), np.eye(2), np.eye(1)]
    options = {"method": method, "group_size": GROUP_SIZE, "epsilon": EPSILON}
    for seed in range(3):
        x = images(seed)
        layer(x, training=True)
        mean = 0.9 * mean + 0.1 * rows_of(x).mean(0)
        batch = reference.matrices(rows_of(x), like=signs_of(layer, x), **options)
        whitening = [0.9 * w + 0.1 * b for w, b in zip(whitening, batch, strict=True)]
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-12)
    for moving, w in zip(moving_matrices(layer), whitening, strict=True):
        np.testing.assert_allclose(moving, w, atol=1e-11)
    x = images(7, batch=2)
    expected = reference.apply(rows_of(x), mean, whitening, *affine(layer))
    np.testing.assert_allclose(rows_of(layer(x, training=False)), expected, atol=1e-11)


@every_method
@every_estimate
def test_training_and_inference_agree_on_the_same_batch(method, estimate):
    """With momentum 0 the moving statistics are the batch's: epsilon is where it should be."""
    layer = make(method=method, estimate=estimate, momentum=0.0)
    x = images(0)
    y = layer(x, training=True)
    np.testing.assert_allclose(layer(x, training=False), y, atol=1e-11)


@every_method
@every_estimate
def test_starts_as_the_identity_up_to_epsilon(method, estimate):
    layer = BatchWhitening(method, group_size=GROUP_SIZE, estimate=estimate, epsilon=EPSILON)
    x = images(0).astype(np.float32)
    scale = np.ones(CHANNELS)
    if estimate == "covariance":
        q = np.array([1 / 2, 1 / 2, 1 / 2, 1 / 2, 1.0])
        for _ in range(5 if method == "itn" else 50):
            q = q * (1.5 - 0.5 * q) ** 2
        scale = np.sqrt(q / (1 + EPSILON))
    np.testing.assert_allclose(layer(x), scale * x, rtol=1e-5)


@every_estimate
def test_initial_statistics(estimate):
    layer = make(
        estimate=estimate, moving_mean_initializer="ones", moving_variance_initializer=four
    )
    np.testing.assert_array_equal(layer.moving_mean, np.ones(CHANNELS))
    expected = 4.0 if estimate == "covariance" else 0.5
    for moving in moving_matrices(layer, f"moving_{estimate}"):
        np.testing.assert_array_equal(moving, expected * np.eye(len(moving)))
    assert not hasattr(
        layer, {"covariance": "moving_matrix", "matrix": "moving_covariance"}[estimate]
    )


@every_estimate
def test_initial_variances_are_of_channels(estimate):
    """As BatchNormalization's, whatever the groups, and zeros are no variance to divide by."""
    variances = np.arange(CHANNELS, dtype="float32")
    layer = make(
        estimate=estimate,
        group_size=2,
        moving_variance_initializer=keras.initializers.Constant(variances),
    )
    alone = variances if estimate == "covariance" else np.maximum(variances, EPSILON) ** -0.5
    matrices = moving_matrices(layer, f"moving_{estimate}")
    found = np.concatenate([np.diag(matrix) for matrix in matrices])
    np.testing.assert_allclose(found, alone, rtol=1e-6)


def four(shape, dtype=None):
    return tf.fill(shape, tf.constant(4.0, dtype))


@every_method
def test_groups_of_one_channel_are_batch_normalization(method):
    ours = make(method=method, group_size=1, momentum=0.9)
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=EPSILON, dtype="float64")
    theirs.build((None, 3, 2, CHANNELS))
    theirs.gamma.assign(ours.gamma)
    theirs.beta.assign(ours.beta)
    dy = np.random.default_rng(5).normal(size=(4, 3, 2, CHANNELS))
    for seed, training, trainable in ((0, 1, 1), (1, 1, 1), (2, 0, 1), (3, 1, 0), (4, 1, 1)):
        ours.trainable = theirs.trainable = bool(trainable)
        (y, (dx,)), (y_theirs, (dx_theirs,)) = (
            gradients.by_tape(functools.partial(layer, training=bool(training)), [images(seed)], dy)
            for layer in (ours, theirs)
        )
        np.testing.assert_allclose(y, y_theirs, atol=1e-12)
        np.testing.assert_allclose(dx, dx_theirs, atol=1e-11)
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, rtol=1e-12)
    variances = ours.moving_covariance.numpy().ravel()
    np.testing.assert_allclose(variances, theirs.moving_variance, rtol=1e-12)


@every_estimate
def test_inference_and_a_frozen_layer_leave_the_state_alone(estimate):
    layer = make(estimate=estimate)
    layer(images(0), training=True)
    state = {weight.name: weight.numpy() for weight in layer.weights}
    y = layer(images(1), training=False)
    layer.trainable = False
    np.testing.assert_array_equal(layer(images(1), training=True), y)
    for weight in layer.weights:
        np.testing.assert_array_equal(weight.numpy(), state[weight.name])
    layer.trainable = True
    assert np.abs(layer(images(1), training=True) - y).max() > 0.1
    assert not np.array_equal(layer.moving_mean.numpy(), state["moving_mean"])


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("scale", [False, True])
def test_scale_and_shift_are_optional(center, scale):
    layer = make(method="zca", center=center, scale=scale)
    names = [weight.name for weight in layer.trainable_weights]
    assert names == ["gamma"] * scale + ["beta"] * center
    x = images(0)
    expected = reference.whiten(
        rows_of(x),
        layer.gamma.numpy() if scale else 1.0,
        layer.beta.numpy() if center else 0.0,
        method="zca",
        group_size=GROUP_SIZE,
        epsilon=EPSILON,
    )
    np.testing.assert_allclose(rows_of(layer(x, training=True)), expected, atol=1e-11)


def test_statistics_are_not_trained_and_are_averaged_over_replicas():
    layer = make()
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]
    for weight in layer.non_trainable_weights:
        assert weight.aggregation == "mean"


def test_regularizers_and_constraints_reach_the_weights():
    layer = make(gamma_regularizer=keras.regularizers.L2(0.5), beta_constraint="non_neg")
    assert np.isclose(sum(layer.losses), 0.5 * np.sum(layer.gamma.numpy() ** 2))
    assert isinstance(layer.beta.constraint, keras.constraints.NonNeg)


@pytest.mark.parametrize(
    "rows, group_size, few", [(7, 4, True), (8, 4, False), (63, None, True), (3, 1, False)]
)
def test_few_rows_are_warned_of_once(rows, group_size, few):
    x = np.random.default_rng(0).normal(size=(rows, 32)).astype(np.float32)
    layer = BatchWhitening(group_size=group_size, name="white")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            layer(x, training=True)
        layer(x, training=False)
    size, messages = group_size or 32, [str(warning.message) for warning in caught]
    assert len(messages) == few
    for message in messages:
        assert message.startswith(f"'white' whitens groups of {size} channels")
        assert f"{rows} rows" in message and f"fewer than {2 * size}" in message


def test_positions_are_rows_and_inference_warns_of_nothing():
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 16)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BatchWhitening()(x, training=True)
        BatchWhitening()(x[:, :1, :1], training=False)
        BatchWhitening(trainable=False)(x[:, :1, :1], training=True)
    with pytest.warns(UserWarning, match="of 16 channels by the statistics of 2 rows"):
        BatchWhitening()(x[:, :1, :1], training=True)


def test_groups_are_of_16_channels():
    layer = BatchWhitening()
    layer.build((None, 40))
    assert layer.moving_covariance.shape == (2, 16, 16)
    assert layer.moving_covariance_last.shape == (1, 8, 8)
