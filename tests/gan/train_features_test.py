import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from gan import feature_network, train_features
from gan.metrics.features import load_features
from harness.errors import UserError
from harness.figures.pictures import write_png


def test_export_resizes_and_averages_the_channels(tmp_path):
    network = feature_network.build(7)
    for weight in network.weights:  # So that batch normalization is not the identity.
        if weight.path.endswith(("moving_mean", "moving_variance")):
            weight.assign(keras.random.uniform(weight.shape, 0.5, 1.5, seed=1))
    feature_network.export(network, tmp_path / "out")
    exported = load_features(tmp_path / "out")
    images = np.random.default_rng(0).uniform(0, 255, (5, 20, 44, 3)).astype(np.float32)
    gray = tf.image.resize(images, [32, 32]).numpy().mean(-1, keepdims=True)
    expected = network(gray / 127.5 - 1, training=False)
    got = exported(images)
    assert got[0].shape == (5, 64) and got[1].shape == (5, 7)
    for value, reference in zip(got, expected, strict=True):
        np.testing.assert_allclose(value, reference, rtol=1e-4, atol=1e-5)


def test_program(call, tmp_path):
    """In a process of its own: it makes all operations deterministic."""
    code, out, error = call("gan.train_features", "--steps=20", f"--out={tmp_path}/net")
    assert code == 0, error
    assert "train accuracy: " in out and "of 1437" in out
    assert "test accuracy: " in out and "of 360" in out
    assert "Fréchet distance of net features, train to test: " in out
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_images_without_a_test_split(tmp_path, monkeypatch, capsys):
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        pixels = tf.fill([8, 8, 3], tf.constant(9, tf.uint8))
        write_png(tmp_path / "images" / name / "a.png", pixels)
    monkeypatch.setattr(feature_network, "fit", lambda *arguments: None)
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
    config = train_features.Config(dataset="folder", data_dir=str(tmp_path / "images"))
    feature_network.train_features(config, tmp_path / "net")
    out = capsys.readouterr().out
    assert "\ntrain accuracy: 50.00% of 2\n" in out and "Fréchet" not in out


def test_mistakes(tmp_path, monkeypatch):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "saved/variables").mkdir(parents=True)
    for name in ("saved_model.pb", "fingerprint.pb", "variables/variables.index"):
        (tmp_path / "saved" / name).write_text("")
    monkeypatch.chdir(tmp_path / "saved")
    out = f"--out={tmp_path}/net"
    cases = {
        "--out is required": [],
        "--out must be a new directory, or that of a SavedModel": [f"--out={tmp_path}/thesis"],
        "Received: out=., where the program was started: start it elsewhere": ["--out=."],
        "--data_dir": [out, "--dataset=mnist"],
    }
    for message, arguments in cases.items():
        monkeypatch.setattr(flags, "FLAGS", flags.FlagValues())
        train_features.define_flags()
        flags.FLAGS(["train_features", *arguments])
        with pytest.raises(UserError, match=message):
            train_features.main()
