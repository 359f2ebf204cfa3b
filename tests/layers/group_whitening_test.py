"""The layer of group whitening: what the contract of all layers does not say."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tests import reference

X = np.random.default_rng(0).normal(1.0, 2.0, size=(4, 5, 6, 8)).astype(np.float32)


@pytest.mark.parametrize("shape", [(64,), (9, 8), (3, 4, 8), (2, 3, 4, 8)], ids=len)
def test_ranks(shape):
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    y = tfnorm.GroupWhitening(2, method="zca")(x)
    truth = reference.group_whiten(x.reshape(3, -1, shape[-1]).astype(np.float64), 2, "zca")
    np.testing.assert_allclose(y, truth.reshape(x.shape), atol=1e-5)


def test_training_and_inference_are_the_same():
    layer = tfnorm.GroupWhitening(4)
    model = keras.Sequential([layer])
    np.testing.assert_array_equal(model(X, training=True), model(X, training=False))
    assert layer.non_trainable_weights == []


def test_a_group_for_each_channel():
    np.testing.assert_array_equal(tfnorm.GroupWhitening(-1)(X), tfnorm.GroupWhitening(8)(X))


def test_a_masked_position_counts_nowhere():
    mask = np.array([[True] * 5 + [False] * 2, [True] * 7])
    x = np.random.default_rng(2).normal(size=(2, 7, 8)).astype(np.float32)
    y = tfnorm.GroupWhitening(2)(x, mask=mask)
    x[0, 5:] = 1e3
    np.testing.assert_allclose(tfnorm.GroupWhitening(2)(x, mask=mask)[0, :5], y[0, :5], atol=1e-6)
    np.testing.assert_allclose(y[:1, :5], tfnorm.GroupWhitening(2)(x[:1, :5]), atol=1e-5)


def test_the_configuration_of_a_group_normalization_makes_one():
    theirs = keras.layers.GroupNormalization(4, axis=1, epsilon=0.1, center=False, name="norm")
    ours = tfnorm.GroupWhitening(**theirs.get_config())
    assert (ours.groups, ours.axis, ours.epsilon, ours.center) == (4, 1, 0.1, False)
    assert ours.name == "norm"


@pytest.mark.parametrize("groups", [0, -2, 1.5, True, "4", None])
def test_what_is_no_number_of_groups(groups):
    with pytest.raises(ValueError, match="`groups` must be a positive integer, or -1"):
        tfnorm.GroupWhitening(groups)


@pytest.mark.parametrize("groups", [3, 16])
def test_groups_that_do_not_divide_the_channels(groups):
    with pytest.raises(ValueError, match=rf"must divide .* Received: groups={groups}, input_shape"):
        tfnorm.GroupWhitening(groups)(X)


def test_few_values_are_warned_of_once():
    layer = tfnorm.GroupWhitening(4, name="norm")
    x = tf.constant(X[:, 0, 0])
    with pytest.warns(UserWarning, match="'norm' whitens 4 groups by the 2 values .* than 8 "):
        layer(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(x)
        tfnorm.GroupWhitening(2)(X[:, 0, 0])


@pytest.mark.parametrize("sizes", [X.shape[:3], (None, None, None)])
def test_one_group_is_warned_of_once(sizes):
    layer = tfnorm.GroupWhitening(1, name="norm")
    call = tf.function(layer, input_signature=[tf.TensorSpec((*sizes, 8))])
    with pytest.warns(UserWarning, match="'norm' whitens nothing: it has one group") as warned:
        y = call(X)
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(X)
    one = keras.layers.GroupNormalization(1, epsilon=layer.epsilon)
    np.testing.assert_allclose(y, one(X), atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_second_derivatives_are_there_in_training(training):
    layer, x = tfnorm.GroupWhitening(4, method="zca"), tf.constant(X)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            loss = tf.reduce_sum(layer(x, training=training) ** 3)
        (gradient,) = inner.gradient(loss, [x])
        penalty = tf.reduce_sum(gradient**2)
    if training:
        assert np.abs(outer.gradient(penalty, x)).max() > 0
    else:
        with pytest.raises(LookupError, match="must be asked for: training=True"):
            outer.gradient(penalty, x)
