"""CovariancePooling against SciPy, and what every layer must do that it does its own way."""

import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

from tests import gradients
from tfnorm import CovariancePooling

METHODS = ["newton", "eigh", None]
every_method = pytest.mark.parametrize("method", METHODS)


def images(*shape, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=shape) @ random.normal(size=(shape[-1], shape[-1])) + 1


def truth(x, root=True, epsilon=1e-5):
    """Of samples (n, positions, channels), in float64 by SciPy."""
    matrices = [np.cov(one, rowvar=False, bias=True) + epsilon * np.eye(x.shape[2]) for one in x]
    return np.stack([scipy.linalg.sqrtm(one).real if root else one for one in matrices])


@pytest.mark.parametrize("shape", [(3, 9, 5), (3, 6, 7, 5), (2, 3, 3, 4, 5)])
@every_method
def test_the_root_of_each_samples_covariance(shape, method):
    x = images(*shape)
    expected = truth(x.reshape(shape[0], -1, 5), root=method is not None)
    layer = CovariancePooling(method, iterations=20, triangle=False, dtype="float64")
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6, atol=1e-9)
    rows, columns = np.triu_indices(5)
    flat = CovariancePooling(method, iterations=20, dtype="float64")(x)
    np.testing.assert_allclose(flat, expected[:, rows, columns], rtol=1e-6, atol=1e-9)
    first = CovariancePooling(method, iterations=20, axis=1, dtype="float64")
    np.testing.assert_allclose(first(np.moveaxis(x, -1, 1)), flat, atol=1e-9)


@every_method
def test_masked_positions_count_nothing(method):
    x, mask = images(3, 9, 4), np.arange(9) < [[9], [6], [3]]
    layer = CovariancePooling(method, dtype="float64")
    found = layer(np.where(mask[..., None], x, 1e3), mask=mask)
    for row, count in zip(range(3), (9, 6, 3), strict=True):
        np.testing.assert_allclose(found[row], layer(x[row : row + 1, :count])[0], atol=1e-9)
    assert np.isfinite(layer(x, mask=np.zeros_like(mask))).all()
    masked = keras.Sequential([keras.Input((9, 4)), keras.layers.Masking(), layer])
    assert getattr(masked(np.zeros((1, 9, 4))), "_keras_mask", None) is None


@every_method
def test_gradient_is_that_of_finite_differences(method):
    layer = CovariancePooling(method, dtype="float64")
    x = tf.constant(images(2, 7, 3))
    dy = np.random.default_rng(1).normal(size=(2, 6))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x) * dy)
    found = tape.gradient(loss, x)
    expected = gradients.by_differences(lambda x: float(tf.reduce_sum(layer(x) * dy)), x.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-6)


@every_method
def test_fewer_positions_than_channels_are_finite(method):
    """Of a covariance that has no inverse, forward and backward, in float32."""
    layer = CovariancePooling(method)
    for x in (images(2, 3, 8), np.ones((2, 9, 4)), np.zeros((2, 9, 4))):
        x = tf.constant(x, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = CovariancePooling(method)(x)
        assert np.isfinite(y).all() and np.isfinite(tape.gradient(y, x)).all()
    assert layer.compute_output_shape((None, None, None, 8)) == (None, 36)


@every_method
@pytest.mark.parametrize("triangle", [True, False])
def test_saved_exported_and_trained(method, triangle, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((None, None, 4)),
            CovariancePooling(method, triangle=triangle, name="pooling"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    x = images(6, 5, 5, 4).astype(np.float32)
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(x, np.zeros((6, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    assert loaded.get_layer("pooling").get_config() == model.get_layer("pooling").get_config()
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(exported.serve(x), model(x), atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    x = images(2, 6, 6, 4)
    y = CovariancePooling(dtype=policy)(x)
    assert y.dtype == policy.removeprefix("mixed_")
    exact = CovariancePooling()(x)
    np.testing.assert_allclose(tf.cast(y, tf.float32), exact, rtol=0.03, atol=0.03)


def test_what_is_refused():
    for arguments, said in (
        ({"method": "svd"}, "Received: method='svd'"),
        ({"iterations": 0}, "Received: iterations=0"),
        ({"scaling": "norm"}, "Received: scaling='norm'"),
        ({"epsilon": -1}, "Received: epsilon=-1"),
        ({"triangle": 2}, "Received: triangle=2"),
        ({"axis": 0}, "Received: axis=0"),
        ({"device": "tpu"}, "Received: device='tpu'"),
    ):
        with pytest.raises((ValueError, TypeError), match=said):
            CovariancePooling(**arguments)
    with pytest.raises(ValueError, match="must have positions"):
        CovariancePooling()(np.ones((3, 4)))
    with pytest.raises(ValueError, match="`mask` must have the shape"):
        CovariancePooling()(np.ones((3, 4, 2)), mask=np.ones((3,), bool))
