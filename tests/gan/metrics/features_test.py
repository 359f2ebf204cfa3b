import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from gan.metrics import features as module
from gan.metrics.features import load_features
from gan.tfgan import tfgan
from harness.datasets import load_images
from harness.errors import UserError

SHIPPED = pathlib.Path(module.__file__).with_name("digits")


def _save(function, path, shape=(None, None, None, 3), name="images", **attributes):
    """Saves `function` of one tensor as a SavedModel with that signature."""
    saved = tf.Module()
    for key, value in attributes.items():
        setattr(saved, key, value)
    spec = tf.TensorSpec(shape, tf.float32, name)
    saved.serve = tf.function(function, input_signature=[spec])
    tf.saved_model.save(saved, str(path), {"serving_default": saved.serve})
    return path


class _Inception(tf.Module):
    """Stands in for tensorflow-gan's network: its outputs tell what it received."""

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def __call__(self, x):
        corners = [x[:, 0, 0], x[:, -1, -1], x[:, 0, -1], x[:, 149, 149]]
        size = tf.cast(tf.shape(x)[1:3], tf.float32) * tf.ones([tf.shape(x)[0], 1])
        extremes = [tf.reduce_min(x, [1, 2]), tf.reduce_max(x, [1, 2])]
        return {"pool_3": tf.concat([size, *corners, *extremes], 1), "logits": x[:, 0, :10, 0]}


class _Named(tf.Module):
    """The same without `__call__`: only a signature."""

    def __init__(self):
        super().__init__()
        self.network = _Inception()

    @tf.function(input_signature=[tf.TensorSpec([None, 299, 299, 3], tf.float32, "x")])
    def serve(self, x):
        outputs = self.network(x)
        pool = tf.reshape(outputs["pool_3"], [-1, 1, 1, 20])
        return {"pool_3": pool, "logits": outputs["logits"]}


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    path = tmp_path_factory.mktemp("hub") / "inception"
    tf.saved_model.save(_Inception(), str(path))
    return path


def _message(spec):
    with pytest.raises(UserError) as raised:
        load_features(spec)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_the_shipped_network_knows_the_held_out_digits():
    network = load_features("digits")
    test = load_images("digits", "test")
    features, logits = network(test.images, batch_size=100)
    assert features.shape == (360, 64) and logits.shape == (360, 10)
    assert features.dtype == logits.dtype == np.float32
    assert np.mean(logits.argmax(1) == test.labels) >= 0.97
    # Not saturated: no feature is constant, and no value is shared by many images.
    assert features.std(0).min() > 0.01
    assert all(len(np.unique(column)) > 300 for column in features.T)
    files = [file for file in SHIPPED.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 1e6


def test_the_shipped_network_needs_tensorflow_alone():
    code = f"""
        import sys, tensorflow as tf
        model = tf.saved_model.load({str(SHIPPED)!r})
        outputs = model.signatures["serving_default"](images=tf.zeros([3, 20, 40, 3]))
        print(outputs["features"].shape, outputs["logits"].shape)
        assert not {{"gan", "tfnorm"}} & set(sys.modules)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120
    )
    assert result.stdout == "(3, 64) (3, 10)\n", result.stderr


def test_one_channel_is_three_equal_ones():
    network = load_features("digits")
    images = load_images("digits", "test").images[:7]
    features, logits = network(images)
    for same in (np.repeat(images, 3, -1), images.astype(np.float64)):
        np.testing.assert_array_equal(network(same)[0], features)
        np.testing.assert_array_equal(network(same)[1], logits)
    integral = network(images.round().astype(np.uint8))[0]
    np.testing.assert_array_equal(integral, network(images.round())[0])


def test_batches_are_bounded_and_do_not_matter(tmp_path):
    # Shares of the batch would show in a mean over it; here its size is an output.
    def size(images):
        n = tf.cast(tf.shape(images)[0], tf.float32)
        return {"features": tf.reduce_mean(images, [1, 2])[:, :2] + [0.0, n]}

    network = load_features(_save(size, tmp_path / "size"))
    images = np.arange(11, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    seen = []
    features, logits = network(images, batch_size=4, progress=lambda *step: seen.append(step))
    assert logits is None
    assert seen == [(4, 11), (8, 11), (11, 11)]
    np.testing.assert_allclose(features[:, 0], np.arange(11))
    np.testing.assert_allclose(features[:, 1] - np.arange(11), [4] * 8 + [3] * 3)


def test_bad_images():
    network = load_features("digits")
    for shape in [(4, 32, 32), (4, 32, 32, 2), (0, 32, 32, 3)]:
        with pytest.raises(ValueError, match=f"Received: shape=.{str(shape)[1:-1]}"):
            network(np.zeros(shape, np.float32))


def test_a_directory_is_named_for_its_last_part(tmp_path):
    def mean(images):
        return {"features": tf.reduce_mean(images, [1, 2])}

    path = _save(mean, tmp_path / "my net", name="pixels")
    first = load_features(path)
    assert first.name == "my_net"
    np.testing.assert_allclose(first(np.full((2, 5, 6, 3), 200, np.uint8))[0], 200)
    for name in ("tfgan_inception", "digits"):
        copy = shutil.copytree(path, tmp_path / name)
        assert load_features(copy).name == f"{name}-{first.fingerprint}"
    assert load_features(str(SHIPPED)).name == load_features("digits").name == "digits"


def test_fingerprint_is_of_the_files_of_the_model(tmp_path):
    def scaled(images):
        return {"features": tf.reduce_mean(images, [1, 2]) * scale}

    scale = tf.Variable(1.0)
    path = _save(scaled, tmp_path / "a", scale=scale)
    copy = shutil.copytree(path, tmp_path / "b")
    (copy / "README.md").write_text("A copy.")
    fingerprint = load_features(path).fingerprint
    assert len(fingerprint) == 12 and load_features(copy).fingerprint == fingerprint
    scale.assign(2.0)
    other = _save(scaled, tmp_path / "c", scale=scale)
    shutil.copytree(other / "variables", copy / "variables", dirs_exist_ok=True)
    images = np.full((1, 2, 2, 3), 10)
    assert load_features(copy)(images)[0][0, 0] == 20  # The same graph with another number.
    assert load_features(copy).fingerprint != fingerprint


@pytest.mark.parametrize("callable_model", [True, False])
def test_inception_receives_what_tensorflow_gan_gives_it(inception, tmp_path, callable_model):
    if not callable_model:
        saved = _Named()
        inception = tmp_path / "signature"
        tf.saved_model.save(saved, str(inception), {"serving_default": saved.serve})
    images = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    images[0] = 0
    images[1] = 255
    features, logits = load_features(inception)(images)
    size, values = features[:, :2], features[:, 2:].reshape(3, 6, 3)
    np.testing.assert_array_equal(size, 299)
    np.testing.assert_array_equal(values[0], -1)
    np.testing.assert_array_equal(values[1], 1)
    # Corners are the image's own pixels, the middle the mean of the middle four.
    expected = images[2] / 127.5 - 1
    np.testing.assert_allclose(values[2, 0], expected[0, 0], atol=1e-5)
    np.testing.assert_allclose(values[2, 1], expected[-1, -1], atol=1e-5)
    np.testing.assert_allclose(values[2, 2], expected[0, -1], atol=1e-5)
    np.testing.assert_allclose(values[2, 3], expected[15:17, 15:17].mean((0, 1)), atol=1e-5)
    assert logits.shape == (3, 10)


def test_tfgan_inception_is_fetched_from_its_address(monkeypatch, inception):
    import tensorflow_hub

    asked = []
    monkeypatch.setattr(
        tensorflow_hub, "resolve", lambda address: asked.append(address) or str(inception)
    )
    network = load_features("tfgan_inception")
    assert asked == [tfgan.eval.INCEPTION_TFHUB]
    assert network.name == "tfgan_inception"
    assert network.fingerprint == load_features(inception).fingerprint


def test_offline(monkeypatch):
    import tensorflow_hub

    def resolve(address):
        raise OSError("<urlopen error\n no network>")

    monkeypatch.setattr(tensorflow_hub, "resolve", resolve)
    message = _message("tfgan_inception")
    assert tfgan.eval.INCEPTION_TFHUB in message
    assert "<urlopen error no network>" in message and "--features=DIR" in message


def test_what_is_no_network(tmp_path, inception):
    message = _message("inceptoin")
    assert "'digits', 'tfgan_inception', a directory" in message
    assert "Received: features='inceptoin'" in message
    (tmp_path / "empty").mkdir()
    assert "does not exist" in _message(tmp_path / "empty")
    other = _save(lambda x: {"logits": x}, tmp_path / "other")
    assert "its outputs are ['logits']" in _message(other)
    unnamed = tf.Module()
    unnamed.__call__ = tf.function(
        lambda x: x[:, 0, 0], input_signature=[tf.TensorSpec([None, None, None, 3])]
    )
    tf.saved_model.save(unnamed, str(tmp_path / "unnamed"))
    assert "give --feature_range" in _message(tmp_path / "unnamed")
    two = tf.Module()
    two.serve = tf.function(lambda x, y: {"features": x + y})
    spec = tf.TensorSpec([None, None, None, 3])
    tf.saved_model.save(two, str(tmp_path / "two"), two.serve.get_concrete_function(spec, spec))
    assert "its arguments are ['x', 'y']" in _message(tmp_path / "two")
    maps = _save(lambda x: {"features": x}, tmp_path / "maps")
    assert "of 2 images it gives an output of shape (2, 32, 32, 3)" in _message(maps)
    whole = _save(lambda x: {"features": tf.reduce_mean(x, [1, 2])[:1]}, tmp_path / "whole")
    assert "of 2 images it gives an output of shape (1, 3)" in _message(whole)


@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.data-00000-of-00001"])
def test_damaged_network(tmp_path, file):
    copy = shutil.copytree(SHIPPED, tmp_path / "damaged")
    os.truncate(copy / file, (copy / file).stat().st_size // 2)
    assert f"The feature network in {copy} cannot be used" in _message(copy)


def test_real_inception():
    folder = os.environ.get("TFNORM_TEST_DATA")
    if not folder:
        pytest.skip("TFNORM_TEST_DATA, the folder of real data, is not set")
    network = load_features(pathlib.Path(folder) / "inception768")
    assert network.name == "inception768"
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    features, logits = network(images, batch_size=2)
    assert features.shape == (3, 768) and logits is None
    np.testing.assert_allclose(features[2:], network(images[2:])[0], rtol=1e-3, atol=1e-3)
