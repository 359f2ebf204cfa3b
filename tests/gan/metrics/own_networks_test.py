"""Feature networks as people have them: each gets the images that it is made for."""

import pathlib

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from gan.metrics.features import load_features
from gan.metrics.network_inputs import Takes
from harness.errors import UserError
from tests.readme_blocks import python_blocks

PAGE = pathlib.Path(__file__).parents[3] / "docs/features.md"
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 120, 100, 3), dtype=np.uint8)
SMALL = IMAGES[:, :40, :50]


def _pooled(shape, pool, layout="channels_last", *before):
    """A network whose features tell what it gets: the means of the patches of images."""
    image = x = keras.Input(shape)
    for layer in before:
        x = layer(x)
    x = keras.layers.AveragePooling2D(pool, data_format=layout)(x)
    if layout == "channels_first":
        x = keras.layers.Permute((2, 3, 1))(x)
    features = (
        keras.layers.GlobalAveragePooling2D()(x) if None in shape else keras.layers.Flatten()(x)
    )
    return keras.Model(image, features)


def _save(model, folder, kind):
    if kind == "keras":
        model.save(folder / "own.keras")
        return folder / "own.keras"
    model.export(folder / "own", verbose=False)
    return folder / "own"


def _resized(images, height, width):
    """By PIL, which resizes a channel of float32 without rounding."""
    channels = [
        np.array(PIL.Image.fromarray(image[..., c].astype(np.float32)).resize((width, height), 2))
        for image in images
        for c in range(3)
    ]
    return np.stack(channels).reshape(-1, 3, height, width).transpose(0, 2, 3, 1)


def _patches(images, pool):
    n, height, width, _ = images.shape
    cut = images.reshape(n, height // pool, pool, width // pool, pool, 3)
    return cut.mean((2, 4)).reshape(n, -1)


@pytest.mark.parametrize("kind", ["keras", "saved_model"])
def test_a_network_that_takes_75_pixels_or_more(tmp_path, kind):
    path = _save(_pooled((None, None, 3), 75), tmp_path, kind)
    network = load_features(path, Takes(range="0:255"))
    assert network.name == "own" and not network.resizes
    assert "images smaller than 75x75 resized to it" in network.takes
    expected = _resized(SMALL, 75, 75).mean((1, 2))
    np.testing.assert_allclose(network(SMALL)[0], expected, rtol=1e-4)
    np.testing.assert_allclose(network(IMAGES)[0], IMAGES[:, :75, :75].mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize("kind", ["keras", "saved_model"])
@pytest.mark.parametrize("images", [SMALL, IMAGES])
def test_a_network_that_is_fixed_at_96_and_takes_values_to_1(tmp_path, kind, images):
    path = _save(_pooled((96, 96, 3), 8), tmp_path, kind)
    network = load_features(path, Takes(range="0:1"))
    assert network.resizes
    assert network.takes == (
        "images resized to 96x96 (bilinear, antialiased), in [0, 1], channels last"
    )
    expected = _patches(_resized(images, 96, 96) / 255, 8)
    np.testing.assert_allclose(network(images)[0], expected, atol=2e-5)


@pytest.mark.parametrize("kind", ["keras", "saved_model"])
def test_a_network_whose_channels_are_first(tmp_path, kind):
    path = _save(_pooled((3, 20, 24), 4, "channels_first"), tmp_path, kind)
    network = load_features(path, Takes(range="-1:1"))
    assert "20x24 (bilinear, antialiased), in [-1, 1], channels first" in network.takes
    expected = _patches(_resized(IMAGES, 20, 24) / 127.5 - 1, 4)
    np.testing.assert_allclose(network(IMAGES)[0], expected, atol=1e-5)


def test_what_a_network_does_not_tell_is_asked_for(tmp_path):
    any_size = _save(_pooled((None, None, 3), 2), tmp_path, "saved_model")
    with pytest.raises(UserError, match="give --feature_range, one of 0:255, 0:1, -1:1"):
        load_features(any_size)
    sized = load_features(any_size, Takes(size=10, range="0:255"))
    expected = _resized(IMAGES, 10, 10).mean((1, 2))
    np.testing.assert_allclose(sized(IMAGES)[0], expected, rtol=1e-4)
    # The same network of other images is another: what was kept of it is not for this one.
    others = (Takes(range="0:255"), Takes(range="0:1"), Takes(size=12, range="0:255"))
    prints = [sized.fingerprint, *(load_features(any_size, other).fingerprint for other in others)]
    assert len(set(prints)) == len(prints)
    with pytest.raises(UserError, match=r"shape \(None, None, None, 3\). Received: feature_layout"):
        load_features(any_size, Takes(range="0:1", layout="channels_first"))(IMAGES)


def test_the_range_is_read_where_a_network_scales_its_images_itself(tmp_path):
    scaling = keras.layers.Rescaling(1 / 127.5, offset=-1)
    path = _save(_pooled((8, 8, 3), 4, "channels_last", scaling), tmp_path, "keras")
    np.testing.assert_allclose(
        load_features(path)(IMAGES)[0], _patches(_resized(IMAGES, 8, 8) / 127.5 - 1, 4), atol=1e-5
    )
    model = _pooled((8, 8, 3), 4, "channels_last", keras.layers.Rescaling(3.0))
    with pytest.raises(UserError, match="does not tell the range"):
        load_features(_save(model, tmp_path, "keras"))


def test_a_network_of_integers_tells_its_range(tmp_path):
    class Integers(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 6, 6, 3], tf.uint8)])
        def serve(self, x):
            return {"any": tf.reduce_mean(tf.cast(x, tf.float32), [1, 2])}

    saved = Integers()
    tf.saved_model.save(saved, str(tmp_path / "own"), {"serving_default": saved.serve})
    network = load_features(tmp_path / "own")
    expected = np.rint(_resized(IMAGES, 6, 6)).mean((1, 2))
    np.testing.assert_allclose(network(IMAGES)[0], expected, atol=0.1)


def test_a_classifier_with_a_layer_of_features(tmp_path):
    image = keras.Input((8, 8, 3))
    features = keras.layers.GlobalAveragePooling2D(name="pool")(image)
    logits = keras.layers.Dense(4, name="logits")(features)
    for outputs in ([features, logits], [logits, features]):
        keras.Model(image, outputs).save(tmp_path / "two.keras")
    names = {"pool": features, "logits": logits}
    keras.Model(image, names).export(tmp_path / "two", verbose=False)
    for path in (tmp_path / "two.keras", tmp_path / "two"):
        rows, scores = load_features(path, Takes(range="0:1"))(IMAGES)
        assert (rows.shape, scores.shape) == ((3, 3), (3, 4))
    keras.Model(image, [features, features + 1]).save(tmp_path / "unclear.keras")
    with pytest.raises(UserError, match="must have one output .n, d., or one named `features`"):
        load_features(tmp_path / "unclear.keras", Takes(range="0:1"))


def test_what_cannot_be(tmp_path):
    path = _save(_pooled((8, 8, 3), 4), tmp_path, "keras")
    with pytest.raises(UserError, match="fixed at 8x8. Received: feature_size=9"):
        load_features(path, Takes(size=9, range="0:1"))
    grey = _save(_pooled((8, 8, 1), 4), tmp_path, "keras")
    with pytest.raises(UserError, match="1 channels and not 3"):
        load_features(grey, Takes(range="0:1"))
    (tmp_path / "damaged.keras").write_text("text")
    with pytest.raises(UserError, match="damaged.keras cannot be used"):
        load_features(tmp_path / "damaged.keras")
    with pytest.raises(UserError, match="is tensorflow-gan's.* Received: feature_range=0:1"):
        load_features("tfgan_inception", Takes(range="0:1"))


def test_the_page_about_them(tmp_path, monkeypatch):
    """What docs/features.md makes is a network, and is what it says of the trunk alone."""
    ((_, source),) = python_blocks(PAGE.read_text("utf-8"))
    monkeypatch.chdir(tmp_path)
    made = {}
    exec(source, made)
    within = load_features("mobilenet.keras", Takes(range="0:255"))
    alone = load_features("trunk", Takes(range="-1:1"))
    assert "resized to 96x96" in within.takes and "resized to 96x96" in alone.takes
    rows = within(IMAGES)[0]
    assert rows.shape == (3, 1024)
    np.testing.assert_allclose(alone(IMAGES)[0], rows, rtol=1e-3)


def test_a_network_that_was_exported_as_in_training(tmp_path):
    image = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Resizing(4, 4)(image))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    with pytest.raises(UserError, match="depend on the others of its batch"):
        load_features(_save(model, tmp_path, "saved_model"), Takes(range="0:1"))
    load_features(_save(model, tmp_path, "keras"), Takes(range="0:1"))
