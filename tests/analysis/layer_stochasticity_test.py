"""Each layer's disturbance in a model, against NumPy on what enters it."""

import keras
import numpy as np
import pytest

import tfnorm
from tests import reference
from tests.norms import norm_factory
from tfnorm.analysis.layer_stochasticity import layer_disturbances, training_function
from tfnorm.analysis.stochasticity import disturbance

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(40, 4, 4, 3)).astype("float32")
FEW = {"samples": 6, "batches": 4}


@pytest.fixture(scope="module")
def model():
    """One of each kind, with moving statistics and gamma like those of training."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.BatchNormalization(name="first", epsilon=1e-3),
        tfnorm.BatchWhitening("zca", name="middle"),
        keras.layers.GroupNormalization(2, name="group"),
        tfnorm.Unitization(alpha_initializer=keras.initializers.Constant(0.3), name="unit"),
        tfnorm.Unitization(normalize=False, name="without"),
        keras.layers.LayerNormalization(name="layer"),
        tfnorm.BatchWhitening("pca", group_size=4, name="noisy"),
        tfnorm.BatchWhitening("pca", name="frozen", trainable=False),
    ]
    x = inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(6, 3, padding="same")(x)
    for layer in layers:
        x = layer(x)
    model = keras.Model(inputs, x)
    for _ in range(3):
        model(IMAGES, training=True)
    for layer in layers[:4]:
        layer.gamma.assign(RNG.uniform(0.5, 2.0, size=6))
    return model


def entering(model, name):
    before = keras.Model(model.inputs, model.get_layer(name).input)
    return np.asarray(before([IMAGES], training=False))


def batch_norm(x):
    return (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3)


def whitened(x):
    return reference.whiten(x.reshape(-1, 6), method="zca").reshape(x.shape)


def unitized(x):
    return reference.unitize(x.reshape(len(x), -1, 6), alpha=0.3).reshape(x.shape)


def test_each_layer_against_numpy_and_nothing_changes(model):
    before = [np.asarray(weight) for weight in model.weights]
    rows = layer_disturbances(model, IMAGES, 8, **FEW)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), value)
    assert [row[:3] for row in rows] == [
        ("first", "bn", 6),
        ("middle", "zca", 6),
        ("group", "gn", 6),
        ("unit", "unitization", 6),
        ("without", "unitization", 6),
        ("layer", "ln", 6),
        ("noisy", "pca", 6),
        ("frozen", "pca", 6),
    ]
    values = {row.name: row.disturbance for row in rows}
    for name, function in [("first", batch_norm), ("middle", whitened), ("unit", unitized)]:
        gamma = np.asarray(model.get_layer(name).gamma)
        data = entering(model, name).astype("float64")
        expected = disturbance(
            lambda x, f=function, g=gamma: g * f(x), data, 8, normalizer="sqrt", **FEW
        )
        np.testing.assert_allclose(values[name], expected, rtol=1e-4)
    assert [values[name] for name in ("group", "without", "layer", "frozen")] == [0.0] * 4
    assert max(values, key=values.get) == "noisy"


def test_arguments_are_those_of_disturbance(model):
    layer = model.get_layer("first")
    by_hand = disturbance(
        training_function(layer), entering(model, "first"), 8, seed=3, normalizer=None, **FEW
    )
    (first, *_) = layer_disturbances(model, IMAGES, 8, seed=3, normalizer=None, **FEW)
    assert first.disturbance == by_hand


def test_a_training_function_is_the_layer_s_call(model):
    layer = keras.layers.BatchNormalization()
    layer.build((None, 3))
    x = IMAGES[:, 0, 0]
    y = training_function(layer)(x)
    np.testing.assert_array_equal(np.asarray(layer.moving_mean), np.zeros(3))
    np.testing.assert_allclose(y, layer(x, training=True), rtol=1e-6)
    assert np.asarray(layer.moving_mean).any()


LENGTHS = RNG.integers(1, 7, size=40)
MASK = np.arange(6) < LENGTHS[:, np.newaxis]
SEQUENCES = np.where(MASK[..., np.newaxis], RNG.normal(1.0, 2.0, size=(40, 6, 3)), 0)


def masked_batch_norm(x):
    """Batch normalization of rows (n, 6, 4), the last of which is a mask, 0 where that is."""
    x, mask = x[..., :3], x[..., 3:] > 0
    rows = x[mask[..., 0]]
    return np.where(mask, (x - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-3), 0)


def given(x, norm):
    mask = keras.Input((6,), dtype="bool")
    return [x, mask], norm(x, mask=mask)


# From an input and a normalization to a model's inputs and what the normalization returns.
UNDER_A_MASK = {
    "carried": lambda x, norm: (x, norm(keras.layers.Masking()(x))),
    "given": given,
    "when it runs": lambda x, norm: (
        x,
        norm(keras.Sequential([keras.Input((6, 3)), keras.layers.Masking()])(x)),
    ),
    "behind a wrapper": lambda x, norm: (
        x,
        norm(
            tfnorm.SpectralNormalization(
                keras.layers.Dense(3, kernel_initializer="identity", use_bias=False)
            )(keras.layers.Masking()(x))
        ),
    ),
}


@pytest.mark.parametrize("name", UNDER_A_MASK)
@pytest.mark.parametrize(
    "norm",
    [
        keras.layers.BatchNormalization,
        tfnorm.Unitization,
        lambda **options: tfnorm.BatchWhitening("zca", group_size=1, **options),
    ],
)
def test_under_a_mask(name, norm):
    inputs, y = UNDER_A_MASK[name](keras.Input((6, 3)), norm(epsilon=1e-3, name="norm"))
    model = keras.Model(inputs, keras.layers.LSTM(2)(y))
    data = [SEQUENCES, MASK] if name == "given" else SEQUENCES
    (row,) = layer_disturbances(model, data, 8, **FEW)
    with_mask = np.concatenate([SEQUENCES, MASK[..., np.newaxis]], axis=-1)
    expected = disturbance(masked_batch_norm, with_mask, 8, normalizer="sqrt", **FEW)
    np.testing.assert_allclose(row.disturbance, expected, rtol=1e-4)


def test_layers_that_take_no_mask():
    x = keras.Input((6, 3))
    y = keras.layers.LayerNormalization(name="norm")(keras.layers.Masking()(x))
    (row,) = layer_disturbances(keras.Model(x, y), SEQUENCES, 8, **FEW)
    assert row.disturbance == 0


def test_a_mask_where_the_channels_are_first():
    def disturbances(axis, data):
        x, mask = keras.Input(data.shape[1:]), keras.Input((6,), dtype="bool")
        model = keras.Model([x, mask], tfnorm.BatchWhitening(axis=axis)(x, mask=mask))
        return layer_disturbances(model, [data, MASK], 8, **FEW)

    (first,), (last,) = disturbances(1, SEQUENCES.transpose(0, 2, 1)), disturbances(-1, SEQUENCES)
    np.testing.assert_allclose(first.disturbance, last.disturbance, rtol=1e-5)


def test_several_inputs_by_name():
    words, numbers = keras.Input((2,), dtype="string", name="words"), keras.Input((3,), name="n")
    lookup = keras.layers.StringLookup(output_mode="multi_hot", vocabulary=["a", "b"])
    y = keras.layers.BatchNormalization(name="one")(lookup(words))
    z = keras.layers.BatchNormalization(name="two")(numbers)
    model = keras.Model({"words": words, "n": numbers}, keras.layers.Concatenate()([y, z]))
    data = {"words": np.array([["a", "b"], ["b", "c"]] * 20), "n": RNG.normal(size=(40, 3))}
    one, two = layer_disturbances(model, data, 8, **FEW)
    expected = disturbance(
        lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3),
        data["n"], 8, normalizer="sqrt", **FEW,
    )  # fmt: skip
    np.testing.assert_allclose(two.disturbance, expected, rtol=1e-4)
    assert (one.name, one.channels) == ("one", 3)


def test_a_layer_that_another_model_has_too():
    norm = keras.layers.BatchNormalization(name="norm")
    elsewhere = keras.Input((3,))
    norm(elsewhere)
    x = keras.Input((3,))
    data = RNG.normal(size=(40, 3))
    (row,) = layer_disturbances(keras.Model(x, norm(x)), data, 8, **FEW)
    (alone,) = layer_disturbances(
        keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()]), data, 8, **FEW
    )
    assert row.disturbance == alone.disturbance > 0


def test_a_conditional_model_of_two_inputs():
    norm = norm_factory("cd", recovery="coloring", num_classes=3)
    latent, labels = keras.Input((6,)), keras.Input((), dtype="int32")
    x = norm("one")(keras.layers.Dense(5)(latent), labels)
    model = keras.Model([latent, labels], norm("two")(x, labels))
    inputs = [RNG.normal(size=(40, 6)).astype("float32"), RNG.integers(3, size=40)]
    rows = layer_disturbances(model, inputs, 20, **FEW)
    assert [row[:3] for row in rows] == [("one", "cd", 5), ("two", "cd", 5)]
    assert all(row.disturbance > 0 for row in rows)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_dtypes(policy):
    def make(dtype):
        return keras.Sequential([keras.Input((4, 4, 3)), tfnorm.BatchWhitening("itn", dtype=dtype)])

    (row,), (single,) = (
        layer_disturbances(make(dtype), IMAGES, 8, **FEW) for dtype in (policy, "float32")
    )
    np.testing.assert_allclose(row.disturbance, single.disturbance, rtol=0.02)


def test_errors(model):
    with pytest.raises(ValueError, match="Received: model=<BatchNorm"):
        layer_disturbances(keras.layers.BatchNormalization(), IMAGES, 8)
    without_graph = keras.Sequential([keras.layers.Add(), keras.layers.BatchNormalization()])
    without_graph([IMAGES, IMAGES])
    with pytest.raises(ValueError, match="Received: model=<Sequential"):
        layer_disturbances(without_graph, [IMAGES, IMAGES], 8)
    with pytest.raises(ValueError, match="the 40 samples of the data. Received: batch_size=41"):
        layer_disturbances(model, IMAGES, 41)
    with pytest.raises(ValueError, match="Received: layer='first'"):
        layer_disturbances(model, np.inf * IMAGES, 8, **FEW)
