"""Every layer's SavedModel, in one process that has TensorFlow and no tfnorm."""

import functools
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import tfnorm
from tests import descriptors

POOLING = descriptors.Row("covariance_pooling", lambda: tfnorm.CovariancePooling("eigh"))
ROWS = [*descriptors.ROWS, POOLING]

# Reads DIR/NAME (a SavedModel) and DIR/NAME.npz, writes DIR/NAME_output.npy, for each NAME.
PROGRAM = """
import sys

# Found nowhere, even if they are installed. TensorFlow does without Keras where there is none.
for absent in ("tfnorm", "keras", "tf_keras"):
    sys.modules[absent] = None

import numpy as np
import tensorflow as tf

folder, *names = sys.argv[1:]
for name in names:
    loaded = tf.saved_model.load(f"{folder}/{name}")
    with np.load(f"{folder}/{name}.npz") as inputs:
        y = loaded.serve([tf.constant(value) for value in inputs.values()])
    np.save(f"{folder}/{name}_output.npy", y.numpy())
present = [name for name in sys.modules if name.split(".")[0] in ("tfnorm", "keras", "tf_keras")]
assert [name for name in present if sys.modules[name] is not None] == [], present
"""


def model_of(row):
    """The layer with unknown sizes, its state moved from where it starts."""
    keras.utils.set_random_seed(0)
    sizes = [None] * (len(row.shape) - 1)
    return row.model(descriptors.trained(row.make(), row), (*sizes, row.shape[-1]))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Of each row, the model's outputs here and in the other process; and what that complains of.

    Of all that TensorFlow tells of itself (`I0000`, `WARNING: All log messages`), warnings of
    Python, of TensorFlow's and of absl's loggers.
    """
    folder = tmp_path_factory.mktemp("exported")
    expected = {}
    for row in ROWS:
        model = model_of(row)
        # Another batch size than in training, and other spatial sizes.
        inputs = row.arguments(row.inputs(batch=7, seed=9, spatial=[5] * (len(row.shape) - 1)))
        expected[row.name] = model(inputs).numpy()
        np.savez(folder / f"{row.name}.npz", *inputs)
        model.export(folder / row.name, verbose=False)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", PROGRAM, str(folder), *expected]
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    outputs = {
        name: (value, np.load(folder / f"{name}_output.npy")) for name, value in expected.items()
    }
    return outputs, re.findall(r"WARNING:\w+:.*|.*Warning:.*", run.stderr)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_saved_model_without_tfnorm(row, exported):
    expected, reloaded = exported[0][row.name]
    assert reloaded.shape == expected.shape
    np.testing.assert_allclose(reloaded, expected, rtol=1e-5, atol=1e-5)


def wide_models():
    """Those of which this machine makes a graph with its own fast ways, and a batch's shape."""

    def network(x, *layers):
        # A list, as PROGRAM calls it.
        return keras.Model([x], functools.reduce(lambda y, layer: layer(y), layers, x))

    for estimate in ("covariance", "matrix"):
        whitening = tfnorm.BatchWhitening(group_size=16, estimate=estimate)
        model = network(keras.Input((8, 8, 128)), whitening, keras.layers.ReLU())
        yield estimate, model, (3, 8, 8, 128)
    yield "matrices", tfnorm.fold_normalization(model, matrices_only=True)[0], (3, 8, 8, 128)
    many = (16, 32, 32, 128)
    yield "coloring", network(keras.Input(batch_shape=many), tfnorm.Coloring(16)), many
    large = network(keras.Input((64, 64, 16)), tfnorm.GroupWhitening(4))
    yield "group_whitening", large, (2, 64, 64, 16)


def test_a_model_runs_where_there_is_no_one_dnn_nor_xla(tmp_path):
    expected = {}
    for name, model, shape in wide_models():
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        expected[name] = model([x]).numpy()
        np.savez(tmp_path / f"{name}.npz", x)
        model.export(tmp_path / name, verbose=False)
        assert b"_XlaMustCompile" not in (tmp_path / name / "saved_model.pb").read_bytes()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), *expected]
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for name, value in expected.items():
        served = np.load(tmp_path / f"{name}_output.npy")
        np.testing.assert_allclose(served, value, rtol=1e-4, atol=1e-4)


def test_saved_models_load_without_a_warning(exported):
    """As of a gradient's own gradient, which TensorFlow does not save."""
    assert exported[1] == []
