"""Masked positions count in no statistic: a padded sequence is normalised as the sequence alone."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm

LENGTHS = np.array([5, 3, 1, 4])
MASK = np.arange(5) < LENGTHS[:, None]
RNG = np.random.default_rng(0)
X = RNG.normal(0.5, 2.0, size=(4, 5, 3)).astype(np.float32)

WHITENING = {
    method: lambda method=method, **options: tfnorm.BatchWhitening(method, group_size=2, **options)
    for method in tfnorm.functional.WHITENERS
}
UNITIZATION = {
    "unitization": lambda **options: tfnorm.Unitization(alpha_initializer="ones", **options),
    "unitization_of_raw_input": lambda **options: tfnorm.Unitization(
        alpha_initializer="ones", normalize=False, **options
    ),
}
LAYERS = WHITENING | UNITIZATION


@pytest.mark.parametrize("make", WHITENING.values(), ids=WHITENING)
def test_statistics_are_those_of_the_unmasked_rows(make):
    masked, alone = make(), make()
    y = masked(X, training=True, mask=tf.constant(MASK))
    expected = alone(X[MASK], training=True)
    np.testing.assert_allclose(y.numpy()[MASK], expected, atol=1e-5)
    for value, truth in zip(masked.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(value, truth, atol=1e-6)


def test_moving_statistics_are_those_of_batch_normalization():
    ours, keras_layer = tfnorm.Unitization(), keras.layers.BatchNormalization()
    for layer in (ours, keras_layer):
        layer(X, training=True, mask=tf.constant(MASK))
    np.testing.assert_allclose(ours.moving_mean, keras_layer.moving_mean, atol=1e-6)
    np.testing.assert_allclose(ours.moving_variance, keras_layer.moving_variance, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_padding_changes_nothing(make, training):
    """Neither its values nor how much there is of it, in the output and in the gradient."""
    layer = make(momentum=1.0)
    dy = tf.constant(RNG.normal(size=X.shape).astype(np.float32) * MASK[..., None])
    by_padding = []
    for padding in (0.0, 7.0):
        x = np.where(MASK[..., None], X, padding).astype(np.float32)
        x, mask, upstream = (
            tf.concat([part, tf.zeros_like(part)], 1) if padding else tf.constant(part)
            for part in (x, MASK, dy)
        )
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training, mask=mask)
        gradient = tape.gradient(y, x, output_gradients=upstream)
        by_padding.append([value.numpy()[:, :5][MASK] for value in (y, gradient)])
        assert not np.any(gradient.numpy()[~mask.numpy()])
    for value, truth in zip(*by_padding, strict=True):
        np.testing.assert_allclose(value, truth, atol=1e-5)


WITHIN_SAMPLES = {
    "group_whitening": lambda: tfnorm.GroupWhitening(groups=1),
    "covariance_pooling": tfnorm.CovariancePooling,
}


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
@pytest.mark.parametrize("make", (LAYERS | WITHIN_SAMPLES).values(), ids=LAYERS | WITHIN_SAMPLES)
def test_padding_that_is_not_finite_counts_nothing(make, value):
    """As in BatchNormalization, in the output, the gradient and the moving statistics."""
    layers, by_padding = (make(), make()), []
    for layer, padding in zip(layers, (0.0, value), strict=True):
        x = tf.constant(np.where(MASK[..., None], X, padding).astype(np.float32))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True, mask=tf.constant(MASK))
            y = tf.boolean_mask(y, MASK) if len(y.shape) == 3 else y
            loss = tf.reduce_sum(tf.square(y - 0.5))
        gradient = tape.gradient(loss, x).numpy()
        by_padding.append([y.numpy(), gradient[MASK], *layer.get_weights()])
        assert np.isfinite(y).all() and np.isfinite(gradient).all()
    for result, truth in zip(*reversed(by_padding), strict=True):
        np.testing.assert_array_equal(result, truth)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_one_whole_sample_masked(make):
    layer, alone = make(), make()
    mask = np.array([[True] * 5, [False] * 5] * 2)
    y = layer(X, training=True, mask=tf.constant(mask))
    expected = alone(X[::2], training=True)
    np.testing.assert_allclose(y[::2], expected, atol=1e-5)
    assert np.isfinite(y).all()
    for value, truth in zip(layer.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(value, truth, atol=1e-6)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_everything_masked(make):
    layer = make()
    layer(X, training=True)
    before = layer.get_weights()
    y = layer(X, training=True, mask=tf.zeros([4, 5], tf.bool))
    assert np.isfinite(y).all()
    for value, kept in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("make", (LAYERS | WITHIN_SAMPLES).values(), ids=LAYERS | WITHIN_SAMPLES)
def test_a_mask_of_samples_is_of_each_position(make, known):
    """Of as many samples as positions, which a reshape would take for each other."""
    layer, x = make(), tf.constant(X[:, :4])
    of_samples = tf.constant([[True], [False], [True], [True]])
    call = functools.partial(layer, training=True)
    if not known:
        specs = tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None], tf.bool)
        call = tf.function(lambda x, mask: layer(x, training=True, mask=mask), specs)
        y = call(x, of_samples)
    else:
        y = call(x, mask=of_samples)
    alone = make()
    np.testing.assert_allclose(
        y, alone(x, training=True, mask=tf.repeat(of_samples, 4, axis=1)), atol=1e-6
    )
    with pytest.raises(ValueError, match="or 1 in the place of a size. Received: mask.shape=.4, 3"):
        layer(x, mask=tf.ones([4, 3], tf.bool))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_channels_first(make):
    last, first = make(), make(axis=1)
    y = last(X, training=True, mask=tf.constant(MASK))
    transposed = first(X.transpose(0, 2, 1), training=True, mask=tf.constant(MASK))
    np.testing.assert_allclose(tf.transpose(transposed, [0, 2, 1]), y, atol=1e-6)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_masking_layer_before_it_is_heard_and_passed_on(make):
    layer, seen = make(), []

    class Last(keras.layers.Layer):
        supports_masking = True

        def call(self, inputs, mask=None):
            seen.append(mask)
            return inputs

    inputs = keras.Input((5, 3))
    x = keras.layers.Masking()(inputs)
    model = keras.Model(inputs, Last()(tfnorm.CenterScale()(layer(x))))
    padded = np.where(MASK[..., None], X, 0.0).astype(np.float32)
    y = model(padded, training=True).numpy()
    expected = make()(padded, training=True, mask=tf.constant(MASK)).numpy()
    np.testing.assert_allclose(y[MASK], expected[MASK], atol=1e-5)
    np.testing.assert_array_equal(seen[-1], MASK)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_mask_of_another_rank_is_refused(make):
    with pytest.raises(ValueError, match=r"Received: mask.shape=\(4,\), inputs.shape=\(4, 5, 3\)"):
        make()(X, mask=tf.ones([4], tf.bool))


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float32])
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_a_mask_may_be_a_list_or_of_numbers(make, dtype):
    """As BatchNormalization takes it."""
    masks = tf.constant(MASK), MASK.astype(dtype), MASK.astype(dtype).tolist()
    by_mask = [make()(X, training=True, mask=mask) for mask in masks]
    for y in by_mask[1:]:
        np.testing.assert_array_equal(y, by_mask[0])
