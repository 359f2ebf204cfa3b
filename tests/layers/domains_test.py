"""Statistics by domain: each domain is whitened as by a layer that sees nothing else."""

import functools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tests import gradients, reference
from tfnorm.functional import WHITENERS

DOMAINS, CHANNELS = 3, 5
OPTIONS = {"group_size": 2, "epsilon": 0.05, "momentum": 0.8, "dtype": "float64"}
# Of a mixed batch; no sample is of domain 1.
MIXED = np.array([0, 2, 2, 0, 0, 2, 2])

every_method = pytest.mark.parametrize("method", WHITENERS)
every_estimate = pytest.mark.parametrize("estimate", ["covariance", "matrix"])


def images(seed, batch=4):
    """Channels that are correlated, off centre, and other ones for each seed."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(CHANNELS) + 0.5 * rng.normal(size=(CHANNELS, CHANNELS))
    return rng.normal(size=(batch, 3, 2, CHANNELS)) @ mixing + rng.normal(size=CHANNELS)


def make(*args, **options):
    layer = tfnorm.BatchWhitening(*args, **(OPTIONS | options))
    layer.build((None, 3, 2, CHANNELS))
    for seed, weight in enumerate(layer.trainable_weights):
        weight.assign(np.random.default_rng(seed).normal(size=CHANNELS))
    return layer


def statistics(layer):
    """The moving statistics by name."""
    return {weight.name: weight.numpy() for weight in layer.non_trainable_weights}


def assert_states_are(layer, alone):
    """The domains' statistics are those of the layers that saw each domain alone."""
    for name, value in statistics(layer).items():
        assert value.shape[0] == len(alone)
        for of_domain, one in zip(value, alone, strict=True):
            np.testing.assert_allclose(of_domain, statistics(one)[name], atol=1e-12)


def call(layer, x, dy, **arguments):
    """What a call returns, and the gradients by x, gamma and beta."""
    with tf.GradientTape() as tape:
        x = tf.constant(x)
        tape.watch(x)
        y = layer(x, **arguments)
    sources = [x, *(weight.value for weight in layer.trainable_weights)]
    return [y, *tape.gradient(y, sources, output_gradients=tf.constant(dy))]


@every_estimate
@every_method
def test_each_domain_is_a_layer_of_its_own(method, estimate):
    layer = make(method, estimate=estimate, domains=DOMAINS)
    alone = [make(method, estimate=estimate) for _ in range(DOMAINS)]
    dy = np.random.default_rng(9).normal(size=images(0).shape)
    for step, domain in enumerate([1, 0, 1]):
        x = images(step)
        for training in (False, True):
            got = call(layer, x, dy, domain=domain, training=training)
            expected = call(alone[domain], x, dy, training=training)
            for value, truth in zip(got, expected, strict=True):
                np.testing.assert_allclose(value, truth, atol=1e-12)
        assert_states_are(layer, alone)


@pytest.mark.parametrize("estimate, masked", [("covariance", False), ("matrix", True)])
@every_method
def test_a_mixed_batch_is_a_call_for_each_domain(method, estimate, masked):
    mixed, apart = (make(method, estimate=estimate, domains=DOMAINS) for _ in range(2))
    x, dy = images(0, len(MIXED)), np.random.default_rng(9).normal(size=(len(MIXED), 3, 2, 5))
    mask = np.random.default_rng(1).random(x.shape[:-1]) < 0.8 if masked else None
    for training in (True, False):
        y, dx, *of_weights = call(mixed, x, dy, domain=MIXED, training=training, mask=mask)
        sums = 0.0
        for domain in (0, 2):
            its = domain == MIXED
            y_apart, dx_apart, *parts = call(
                apart,
                x[its],
                dy[its],
                domain=domain,
                training=training,
                mask=None if mask is None else mask[its],
            )
            np.testing.assert_allclose(y.numpy()[its], y_apart, atol=1e-11)
            np.testing.assert_allclose(dx.numpy()[its], dx_apart, atol=1e-11)
            sums = sums + np.array(parts)
        np.testing.assert_allclose(of_weights, sums, atol=1e-11)
        for name, value in statistics(apart).items():
            np.testing.assert_allclose(statistics(mixed)[name], value, atol=1e-12)
    for name, value in statistics(make(method, estimate=estimate, domains=DOMAINS)).items():
        np.testing.assert_array_equal(statistics(mixed)[name][1], value[1])


def test_outputs_and_statistics_are_numpys():
    layer = make("zca", domains=DOMAINS)
    gamma, beta = layer.gamma.numpy(), layer.beta.numpy()
    x = images(0, len(MIXED))
    y = layer(x, MIXED, training=True).numpy()
    mean = np.zeros((DOMAINS, CHANNELS))
    for domain in (0, 2):
        rows = x[domain == MIXED].reshape(-1, CHANNELS)
        whitened = reference.whiten(
            rows, gamma, beta, method="zca", group_size=2, epsilon=OPTIONS["epsilon"]
        )
        np.testing.assert_allclose(y[domain == MIXED].reshape(-1, CHANNELS), whitened, atol=1e-11)
        mean[domain] = 0.2 * rows.mean(0)
    np.testing.assert_allclose(layer.moving_mean, mean, atol=1e-12)


@every_method
def test_gradients_of_a_mixed_batch_are_differences(method):
    layer = make(method, domains=DOMAINS, momentum=1.0)
    rng = np.random.default_rng(1)
    x, dy, v = (rng.normal(size=(len(MIXED), 3, 2, CHANNELS)) for _ in range(3))
    call_layer = functools.partial(layer, domain=MIXED, training=True)
    _, (dx,) = gradients.by_tape(call_layer, [x], dy)
    step = 1e-6
    slope = np.sum(dy * (call_layer(x + step * v) - call_layer(x - step * v))) / (2 * step)
    np.testing.assert_allclose(np.sum(dx * v), slope, rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, 1])
def test_groups_of_one_channel_are_batch_normalization_by_domain(axis):
    theirs = [
        keras.layers.BatchNormalization(momentum=0.8, epsilon=0.05, axis=axis, dtype="float64")
        for _ in range(2)
    ]
    x0 = np.moveaxis(images(0), -1, axis)
    ours = tfnorm.BatchWhitening(**(OPTIONS | {"group_size": 1, "axis": axis}), domains=2)
    for seed, domain in enumerate([0, 1, 1, 0]):
        x = x0 + seed * np.moveaxis(images(seed), -1, axis)
        for training in (True, False):
            y, truth = ours(x, domain, training=training), theirs[domain](x, training=training)
            np.testing.assert_allclose(y, truth, atol=1e-12)
    for domain, one in enumerate(theirs):
        np.testing.assert_allclose(ours.moving_mean[domain], one.moving_mean, rtol=1e-12)
        variances = ours.moving_covariance[domain].numpy().ravel()
        np.testing.assert_allclose(variances, one.moving_variance, rtol=1e-12)


@every_method
def test_an_absent_domain_spoils_no_gradient_without_epsilon(method):
    layer = make(method, domains=DOMAINS, epsilon=0.0)
    x = images(0, len(MIXED))
    for value in call(layer, x, np.ones_like(x), domain=MIXED, training=True):
        assert np.isfinite(value).all()


def test_a_domain_that_is_not_finite_stays_with_itself():
    layer = make("zca", domains=DOMAINS)
    x = images(0, len(MIXED))
    x[0, 1, 1, 2] = np.nan
    y = layer(x, MIXED, training=True).numpy()
    assert np.isnan(y[MIXED == 0]).any() and np.isfinite(y[MIXED == 2]).all()
    assert not layer.moving_mean[0].numpy().any() and layer.moving_mean[2].numpy().any()


def test_the_domain_may_change_in_a_graph_without_a_new_trace():
    layer, alone = make(domains=DOMAINS), make()
    step = tf.function(lambda x, domain: layer(x, domain, training=True))
    for domain in (2, 0, 2):
        np.testing.assert_allclose(
            step(images(domain), tf.constant(domain)),
            alone(images(domain), training=True),
            atol=1e-12,
        )
    assert step.experimental_get_tracing_count() == 1
    assert layer.moving_mean[2].numpy().any() and not layer.moving_mean[1].numpy().any()


@pytest.mark.parametrize("domain", [1, MIXED], ids=["one", "many"])
def test_xla_and_domains_that_are_none(domain):
    """Under XLA, which has no assertions, they give NaN, elsewhere an error."""
    layer, plain = make("itn", domains=DOMAINS), make("itn", domains=DOMAINS)
    x = images(0, len(MIXED))
    compiled = tf.function(functools.partial(layer, training=True), jit_compile=True)
    expected = plain(x, domain, training=True)
    np.testing.assert_allclose(compiled(x, tf.constant(domain)), expected, atol=1e-11)
    for name, value in statistics(plain).items():
        np.testing.assert_allclose(statistics(layer)[name], value, atol=1e-12)
    before = statistics(layer)
    for none in (3, -1):
        wrong = np.array(domain)
        wrong[..., None][-1] = none
        with pytest.raises(ValueError, match="in \\[0, 3\\). Received: domain="):
            layer(x, wrong)
        for function in (plain, tf.function(plain)):
            with pytest.raises(tf.errors.InvalidArgumentError, match="`domain` must be in"):
                function(x, tf.constant(wrong))
        y = compiled(x, tf.constant(wrong)).numpy().reshape(len(x), -1)
        np.testing.assert_array_equal(np.isnan(y).all(1), np.broadcast_to(wrong == none, len(x)))
        np.testing.assert_array_equal(np.isnan(y).any(1), np.isnan(y).all(1))
        if wrong.ndim == 0:
            for name, value in before.items():
                np.testing.assert_array_equal(statistics(layer)[name], value)


def test_a_domain_of_more_bits_than_int32_is_none():
    with pytest.raises(tf.errors.InvalidArgumentError, match="`domain` must be in"):
        make(domains=DOMAINS)(images(0), tf.constant(2**32 + 1))


# No domains of four samples, and the received half of the message.
WRONG = {
    "none": (None, "domain=None"),
    "a_float": (1.0, "domain.dtype=float64, domain.shape=()"),
    "a_boolean": (True, "domain.dtype=bool, domain.shape=()"),
    "too_few": (np.array([1, 2]), "domain.dtype=int64, domain.shape=(2,)"),
    "one_hot": (np.eye(4, 3, dtype=int), "domain.dtype=int64, domain.shape=(4, 3)"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_domain(what):
    domain, received = WRONG[what]
    layer = make(domains=DOMAINS)
    with pytest.raises(ValueError) as caught:
        layer(images(0), domain)
    assert f"Received: {received}" in str(caught.value)


def test_where_a_model_is_made_the_domain_is_missed_too():
    x = keras.Input((4, CHANNELS))
    with pytest.raises(ValueError, match="Received: domain=None"):
        make(domains=2)(x)
    with pytest.raises(ValueError, match="Received: domain=1"):
        make()(x, domain=1)
    with pytest.raises(ValueError, match="Received: domain=2"):
        make(domains=2)(x, 2)
    for domains in (0, 1.5, True):
        with pytest.raises(ValueError, match=f"Received: domains={domains}"):
            make(domains=domains)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("shape", [(7,), (7, 1)], ids=str)
def test_integers_of_any_size(dtype, shape):
    layer = make(domains=DOMAINS)
    layer.moving_mean.assign(np.arange(15.0).reshape(3, 5))
    x = images(0, len(MIXED))
    expected = layer(x, MIXED)
    given = tf.constant(MIXED.reshape(shape), dtype)
    np.testing.assert_array_equal(layer(x, given), expected)
    np.testing.assert_array_equal(layer(x, domain=MIXED.tolist()), expected)


def test_a_mask_that_the_inputs_carry_is_that_of_the_call():
    """Keras hands it on by itself only to layers of one tensor."""
    inputs, domain = keras.Input((4, CHANNELS)), keras.Input((), dtype="int32")
    layer = tfnorm.BatchWhitening(**OPTIONS, domains=DOMAINS)
    y = layer(keras.layers.Masking()(inputs), domain)
    # In the layer's dtype: the mask of what it casts Keras 3.12 drops.
    pooling = keras.layers.GlobalAveragePooling1D(dtype=layer.dtype_policy)
    model = keras.Model([inputs, domain], [y, pooling(y)])
    x = np.random.default_rng(0).normal(size=(len(MIXED), 4, CHANNELS))
    mask = np.arange(4) < np.array([4, 3, 2, 4, 1, 4, 4])[:, None]
    x = x * mask[..., None]
    y, pooled = model([x, MIXED], training=True)
    alone = tfnorm.BatchWhitening(**OPTIONS)
    rows = x[MIXED == 2][mask[MIXED == 2]]
    expected = alone(rows, training=True)
    np.testing.assert_allclose(y.numpy()[MIXED == 2][mask[MIXED == 2]], expected, atol=1e-6)
    means = np.array([one[m].mean(0) for one, m in zip(y.numpy(), mask, strict=True)])
    np.testing.assert_allclose(pooled, means, atol=1e-6)


def test_a_model_for_a_domain_and_for_a_domain_to_each_batch_is_saved(tmp_path):
    inputs = keras.Input((3, 2, CHANNELS))
    domain = keras.Input(batch_shape=(), dtype="int32", name="domain")
    layer = make("cd", domains=DOMAINS, dtype="float32")
    model = keras.Model([inputs, domain], [layer(inputs, domain), layer(inputs, 2)])
    x = tf.constant(images(0), tf.float32)
    for one in range(DOMAINS):
        layer(images(one), one, training=True)
    expected = model([x, tf.constant(1)])
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")([x, tf.constant(1)])
    for value, truth in zip(loaded, expected, strict=True):
        np.testing.assert_array_equal(value, truth)


def test_few_rows_of_a_domain_are_warned_of():
    x = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tfnorm.BatchWhitening(group_size=4, domains=3)(x, 1, training=True)
    with pytest.warns(UserWarning, match="by the statistics of 4 rows"):
        layer = tfnorm.BatchWhitening(group_size=4, domains=3)
        layer(x, np.arange(12) % 3, training=True)


def test_statistics_without_domains_have_no_axis_of_them():
    layer = make()
    assert layer.moving_mean.shape == (CHANNELS,) and layer.moving_covariance.shape == (2, 2, 2)
    layer = make(domains=1)
    assert layer.moving_mean.shape == (1, CHANNELS)
    assert layer.moving_covariance.shape == (1, 2, 2, 2)
    assert layer.moving_covariance_last.shape == (1, 1, 1, 1)
