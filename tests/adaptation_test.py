"""Statistics anew: the means over batches, of each layer that has some."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm

RNG = np.random.default_rng(0)
BATCHES = RNG.normal(2.0, 3.0, size=(3, 8, 4)) * np.array([1.0, 2.0, 3.0])[:, None, None]


def test_the_mean_over_batches_and_momentum_as_before():
    norms = [
        keras.layers.BatchNormalization(momentum=0.9, dtype="float64"),
        tfnorm.BatchWhitening(group_size=2, momentum=0.7, dtype="float64"),
        tfnorm.Unitization(momentum=0.7, dtype="float64"),
    ]
    x = keras.Input((4,), dtype="float64")
    model = keras.Model(x, [norm(x) for norm in norms])
    model(BATCHES[0] - 7, training=True)
    kernels = [weight.numpy() for weight in model.trainable_weights]
    tfnorm.adapt_statistics(model, iter(BATCHES))
    variances = BATCHES.var(1).mean(0)
    for norm in norms:
        np.testing.assert_allclose(norm.moving_mean, BATCHES.mean((0, 1)), rtol=1e-12)
    for norm in norms[::2]:
        np.testing.assert_allclose(norm.moving_variance, variances, rtol=1e-12)
    covariances = np.mean([np.cov(one, rowvar=False, bias=True)[:2, :2] for one in BATCHES], 0)
    np.testing.assert_allclose(norms[1].moving_covariance[0], covariances, rtol=1e-12)
    assert [norm.momentum for norm in norms] == [0.9, 0.7, 0.7]
    for weight, value in zip(model.trainable_weights, kernels, strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.parametrize("as_dict", [False, True])
def test_of_one_domain_and_layer_by_layer(as_dict):
    """The second layer's are those of what the first makes of each batch."""
    x, domain = keras.Input((4,), name="x"), keras.Input((), dtype="int32", name="domain")
    first, second, frozen = (tfnorm.BatchWhitening("cd", group_size=2, domains=2) for _ in range(3))
    frozen.trainable = False
    y = frozen(second(keras.layers.Dense(4)(first(x, domain)), domain), domain)
    inputs = {"x": x, "domain": domain} if as_dict else [x, domain]
    model = keras.Model(inputs, y)
    dense = model.layers[-3]
    before = frozen.get_weights()
    batches = BATCHES.astype(np.float32)
    tfnorm.adapt_statistics(
        model, [{"x": one} for one in batches] if as_dict else batches, domain=1
    )
    one = np.array([1] * 8)
    inner = [dense(first(batch, one, training=True)).numpy() for batch in batches]
    np.testing.assert_allclose(second.moving_mean[1], np.mean(inner, (0, 1)), atol=1e-5)
    assert not second.moving_mean[0].numpy().any()
    for value, truth in zip(frozen.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, truth)


class Unmasked(keras.layers.BatchNormalization):
    """Somebody's own, whose call takes no mask."""

    def call(self, inputs, training=None):
        return super().call(inputs, training=training)


@pytest.mark.parametrize(
    "make",
    [keras.layers.BatchNormalization, Unmasked, lambda: tfnorm.BatchWhitening(group_size=2)],
)
def test_a_layer_that_is_called_several_times(make):
    x, layer = [keras.Input((4,)), keras.Input((4,))], make()
    model = keras.Model(x, [layer(one) for one in x])
    batches = BATCHES.astype(np.float32)
    tfnorm.adapt_statistics(model, [[batches[0], batches[1]], [batches[2], batches[0]]])
    truth = batches[[0, 1, 2, 0]].mean((0, 1))
    np.testing.assert_allclose(layer.moving_mean, truth, rtol=1e-5)
    assert "call" not in vars(layer)
    steps = keras.Sequential([keras.Input((3, 4)), keras.layers.TimeDistributed(layer)])
    tfnorm.adapt_statistics(steps, [batches.transpose(1, 0, 2)])
    np.testing.assert_allclose(layer.moving_mean, batches.mean((0, 1)), rtol=1e-5)


class FrozenByItself(keras.layers.BatchNormalization):
    """Somebody's own, which never trains its statistics."""

    def call(self, inputs, training=None):
        return super().call(inputs, training=False)


class Calls(keras.Model):
    """Calls a normalization, each time in a way of its own."""

    def __init__(self, norm, *ways):
        super().__init__(dtype="float64")
        self.norm, self.ways = norm, ways

    def call(self, inputs, training=False):
        return [way(self.norm, inputs) for way in self.ways][-1]


def as_told(norm, x):
    return norm(x)


def in_training(norm, x):
    return norm(x, training=True)


def in_inference(norm, x):
    return norm(x, training=False)


IN_INFERENCE = {
    "keyword": in_inference,
    "numpy": lambda norm, x: norm(x, training=np.False_),
    "tensor": lambda norm, x: norm(x, training=tf.constant(False)),
    "position": lambda norm, x: norm.call(x, False),
    "default": lambda norm, x: norm.call(x),
    "context": lambda norm, x: Calls(norm, as_told)(x, training=False),
}
NORMS = {
    "bn": keras.layers.BatchNormalization,
    "whitening": functools.partial(tfnorm.BatchWhitening, "zca", group_size=2),
    "unitization": tfnorm.Unitization,
    "frozen": FrozenByItself,
}
MEAN, VARIANCE = np.array([1.0, 20.0, 300.0, 4000.0]), 2.0


def with_statistics(name):
    """A layer of `NORMS` whose means are `MEAN`, and whose variances `VARIANCE`, uncorrelated."""
    initial = keras.initializers.Constant(VARIANCE)
    norm = NORMS[name](epsilon=1e-3, moving_variance_initializer=initial, dtype="float64")
    norm.build((None, 4))
    norm.moving_mean.assign(MEAN)
    return norm


@pytest.mark.parametrize("is_functional", [False, True])
@pytest.mark.parametrize("name", NORMS)
def test_a_layer_that_is_called_in_inference_only(name, is_functional):
    """Keeps its statistics, and the layer after it has those of what it gives."""
    first, second = with_statistics(name), with_statistics("bn")
    before = first.get_weights()
    way = as_told if name == "frozen" else in_inference
    if is_functional:
        x = keras.Input((4,), dtype="float64")
        model = keras.Model(x, second(Calls(first, way)(x)))
    else:
        model = Calls(first, lambda norm, x: in_training(second, way(norm, x)))
        model.second = second
    tfnorm.adapt_statistics(model, BATCHES)
    for value, truth in zip(first.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, truth)
    inner = (BATCHES - MEAN) / np.sqrt(VARIANCE + 1e-3)
    np.testing.assert_allclose(second.moving_mean, inner.mean((0, 1)), rtol=1e-12)
    np.testing.assert_allclose(second.moving_variance, inner.var(1).mean(0), rtol=1e-9)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("way", IN_INFERENCE)
@pytest.mark.parametrize("name", ["bn", "whitening", "unitization"])
def test_a_layer_that_is_called_in_inference_too(name, way, is_first):
    """Has the statistics of its calls in training alone."""
    norm = with_statistics(name)
    ways = [lambda norm, x: IN_INFERENCE[way](norm, 9 * x + 100), in_training]
    tfnorm.adapt_statistics(Calls(norm, *(ways if is_first else ways[::-1])), BATCHES)
    np.testing.assert_allclose(norm.moving_mean, BATCHES.mean((0, 1)), rtol=1e-12)
    variances = BATCHES.var(1).mean(0)
    if name == "whitening":
        diagonal = np.diagonal(norm.moving_covariance, axis1=1, axis2=2)
        np.testing.assert_allclose(diagonal.ravel(), variances, rtol=1e-12)
    else:
        np.testing.assert_allclose(norm.moving_variance, variances, rtol=1e-12)


def test_batches_that_are_not_finite():
    """Are refused, and leave the statistics as they were, but for what is masked."""
    model = keras.Sequential([keras.Input((4,)), tfnorm.BatchWhitening(group_size=2)])
    batches = BATCHES.astype(np.float32)
    tfnorm.adapt_statistics(model, batches[:1])
    before = model.get_weights()
    spoilt = batches.copy()
    spoilt[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="must be finite .*layer='batch_whitening"):
        tfnorm.adapt_statistics(model, spoilt)
    for value, truth in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, truth)

    sequences = np.where(np.arange(5)[:, None] < 3, RNG.normal(size=(6, 5, 4)), np.nan)
    x, mask = keras.Input((5, 4)), keras.Input((5,), dtype="bool")
    layer = tfnorm.Unitization()
    model = keras.Model([x, mask], layer(x, mask=mask))
    tfnorm.adapt_statistics(model, [[sequences.astype(np.float32), np.isfinite(sequences[..., 0])]])
    np.testing.assert_allclose(layer.moving_mean, sequences[:, :3].mean((0, 1)), rtol=1e-4)


@pytest.mark.parametrize("before", [3e9, np.nan])
def test_what_was_there_before_does_not_count(before):
    norms = [
        keras.layers.BatchNormalization(),
        tfnorm.BatchWhitening(group_size=2),
        tfnorm.Unitization(),
    ]
    x = keras.Input((4,))
    model = keras.Model(x, [norm(x) for norm in norms])
    for norm in norms:
        for weight in norm.non_trainable_weights:
            weight.assign(np.full(weight.shape, before))
    tfnorm.adapt_statistics(model, BATCHES.astype(np.float32))
    for norm in norms:
        np.testing.assert_allclose(norm.moving_mean, BATCHES.mean((0, 1)), rtol=1e-5)
    for norm in norms[::2]:
        np.testing.assert_allclose(norm.moving_variance, BATCHES.var(1).mean(0), rtol=1e-5)


def test_what_all_domains_share_stays():
    x, domain = keras.Input((4,)), keras.Input((), dtype="int32")
    shared, own = keras.layers.BatchNormalization(), tfnorm.BatchWhitening(group_size=2, domains=2)
    model = keras.Model([x, domain], own(shared(x), domain))
    batches = BATCHES.astype(np.float32)
    tfnorm.adapt_statistics(model, batches, domain=0)
    first = model([batches[0], np.zeros(8)]).numpy()
    tfnorm.adapt_statistics(model, 5 * batches + 9, domain=1)
    np.testing.assert_array_equal(model([batches[0], np.zeros(8)]), first)
    assert not shared.moving_mean.numpy().any()
    for wrong in (2, -1, 1.0, True):
        with pytest.raises(ValueError, match=f"in \\[0, 2\\). Received: domain={wrong}"):
            tfnorm.adapt_statistics(model, batches, domain=wrong)
    plain = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    with pytest.raises(ValueError, match="a layer with `domains` .* Received: domain=0"):
        tfnorm.adapt_statistics(plain, batches, domain=0)


def test_what_is_refused():
    model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(momentum=0.9)])
    with pytest.raises(ValueError, match="Received: batches="):
        tfnorm.adapt_statistics(model, [])
    with pytest.raises(ValueError, match="expected"):
        tfnorm.adapt_statistics(model, [np.zeros((2, 3), np.float32)])
    assert model.layers[0].momentum == 0.9
    raw = keras.Sequential([keras.Input((4,)), tfnorm.Unitization(normalize=False)])
    with pytest.raises(ValueError, match="layer with moving statistics"):
        tfnorm.adapt_statistics(raw, BATCHES)
    model.trainable = False
    with pytest.raises(ValueError, match="not frozen. Received: model="):
        tfnorm.adapt_statistics(model, BATCHES)
