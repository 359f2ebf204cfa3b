"""Layers' outputs from one pass, in memory or on the disk, against the layers themselves."""

import gc
import shutil
import tempfile
import weakref

import keras
import numpy as np
import pytest

from tfnorm.analysis.layer_outputs import layer_outputs

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(10, 6, 6, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Conv2D(5, 3, name="half", dtype="bfloat16")(x)
    x = keras.layers.Dense(2, name="dense")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, x)
    model.get_layer("norm").moving_mean.assign([0.1, 0.2, 0.3, 0.4])
    return model


def one_by_one(model, images):
    conv = model.get_layer("conv")(images)
    norm = model.get_layer("norm")(conv, training=False)
    return {"norm": norm.numpy(), "dense": model(images, training=False).numpy()}


@pytest.mark.parametrize("memory, kind", [(2**20, np.ndarray), (100, np.memmap)])
def test_outputs(model, memory, kind):
    outputs = layer_outputs(model, ["dense", "norm"], IMAGES, batch_size=3, memory=memory)
    assert list(outputs) == ["dense", "norm"]
    for name, expected in one_by_one(model, IMAGES).items():
        assert type(outputs[name]) is kind and outputs[name].dtype == np.float32
        np.testing.assert_allclose(outputs[name], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(outputs[name][[7, 1]], np.asarray(outputs[name])[[7, 1]])


def test_two_calls_have_files_of_their_own(model):
    first, second = (layer_outputs(model, ["norm"], x, memory=0) for x in (IMAGES, IMAGES[::-1]))
    np.testing.assert_allclose(first["norm"], second["norm"][::-1], rtol=1e-5)


def test_a_layer_in_several_models():
    """Its output is that of its first call in the model, and not in another."""
    x, layer = keras.Input((3,)), keras.layers.Dense(4, name="shared")
    rows = IMAGES[:, 0, 0]
    keras.Sequential([keras.Input((3,)), layer])
    chain = keras.Sequential([keras.Input((3,)), layer, keras.layers.ReLU()])
    twice = layer(keras.layers.Rescaling(10.0)(x))
    scaled = keras.Model(x, keras.layers.Dense(4)(twice) + layer(keras.layers.Rescaling(0.1)(x)))
    for model, factor in ((chain, 1.0), (scaled, 10.0)):
        outputs = layer_outputs(model, ["shared"], rows)["shared"]
        np.testing.assert_allclose(outputs, layer(factor * rows), rtol=1e-5, atol=1e-6)


def test_a_model_that_is_changed():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
    rows = IMAGES[:, 0, 0]
    layer_outputs(model, ["head"], rows)
    model.pop()
    model.add(keras.layers.Dense(2, name="head", bias_initializer="ones"))
    model.build((None, 3))
    outputs = layer_outputs(model, ["head"], rows)["head"]
    np.testing.assert_allclose(outputs, model(rows), rtol=1e-5, atol=1e-6)


def test_an_input_layer(model):
    name = model.layers[0].name
    np.testing.assert_array_equal(layer_outputs(model, [name], IMAGES)[name], IMAGES)


def test_half_precision(model):
    assert layer_outputs(model, ["half"], IMAGES)["half"].dtype == np.float32


def test_several_inputs():
    inputs = [keras.Input((2,), name="a"), keras.Input((3,), name="b")]
    x = keras.layers.Concatenate(name="both")(inputs)
    outputs = layer_outputs(
        keras.Model(inputs, x), ["both"], [IMAGES[:, 0, 0, :2], IMAGES[:, 1, 1]]
    )
    np.testing.assert_array_equal(outputs["both"][:, 2:], IMAGES[:, 1, 1])


def test_other_numbers_are_cast(model):
    whole, expected = (layer_outputs(model, ["norm"], x)["norm"] for x in (IMAGES > 0, IMAGES))
    assert whole.dtype == np.float32 and whole.shape == expected.shape
    double = layer_outputs(model, ["norm"], IMAGES.astype(np.float64))["norm"]
    np.testing.assert_array_equal(double, expected)


def test_weights_are_those_of_now_and_a_model_can_go():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="dense")(inputs))
    for bias in (0.0, 5.0):
        model.get_layer("dense").bias.assign([bias])
        assert layer_outputs(model, ["dense"], np.zeros((3, 2)))["dense"][0] == bias
    known = weakref.ref(model)
    del model
    gc.collect()
    assert known() is None


def test_full_disk(model, monkeypatch):
    usage = shutil.disk_usage(tempfile.gettempdir())._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    # 10 maps of 4 x 4 x 4 floats.
    with pytest.raises(OSError, match="take 2,560 bytes, more than the 5 of .* the 1,000 that are"):
        layer_outputs(model, ["norm"], IMAGES, memory=5)


def test_memory_and_disk_are_for_all_layers_together(model, monkeypatch):
    # 2,560 bytes each.
    for memory, kind in ((2 * 2560, np.ndarray), (2 * 2560 - 1, np.memmap)):
        outputs = layer_outputs(model, ["conv", "norm"], IMAGES, memory=memory)
        assert {type(output) for output in outputs.values()} == {kind}
    usage = shutil.disk_usage(tempfile.gettempdir())._replace(free=3_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="take 5,120 bytes"):
        layer_outputs(model, ["conv", "norm"], IMAGES, memory=0)


def test_errors(model):
    with pytest.raises(ValueError, match="Received: 'nrom'; there are .*conv, norm, half"):
        layer_outputs(model, ["nrom"], IMAGES)
    with pytest.raises(ValueError, match=r"Received: layers=\[\]"):
        layer_outputs(model, [], IMAGES)
    with pytest.raises(ValueError, match=r"Received: layers=\['norm', 'norm'\]"):
        layer_outputs(model, ["norm", "norm"], IMAGES)
    with pytest.raises(ValueError, match="Received: no samples"):
        layer_outputs(model, ["norm"], IMAGES[:0])
    with pytest.raises(ValueError, match="Received: layer='conv'"):
        layer_outputs(model, ["conv", "norm"], np.where(IMAGES > 1, np.inf, IMAGES))
    with pytest.raises(ValueError, match="Received: model=<Whole"):
        layer_outputs(Whole(), ["norm"], IMAGES)
    unbuilt = keras.Sequential([keras.layers.Dense(2, name="dense")])
    with pytest.raises(ValueError, match="must be built. Received: model=<Sequential"):
        layer_outputs(unbuilt, ["dense"], IMAGES)
    inputs = keras.Input((3,))
    two = keras.layers.Lambda(lambda x: [x, 2 * x], name="two")
    with pytest.raises(ValueError, match=r"one output each. Received: 'two': \["):
        layer_outputs(keras.Model(inputs, two(inputs)), ["two"], IMAGES[:, 0, 0])


class Whole(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_a_batch_is_of_samples(model, size):
    with pytest.raises(ValueError, match=f"`batch_size` must be an integer .* batch_size={size}"):
        layer_outputs(model, ["norm"], IMAGES, batch_size=size)
