"""Unitization: BatchNormalization at alpha = 0, NumPy elsewhere, and its moving statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, reference
from tfnorm import UnitInterval, Unitization

EPSILON = 0.02
SHAPES = [(6, 5), (4, 7, 5), (3, 4, 2, 5), (2, 3, 2, 2, 5)]
ALPHA = np.array([0.0, 1.0, 0.4, -0.7, 2.0])
every_rank = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"rank {len(shape)}")


def inputs(shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) * np.linspace(0.3, 3, 5) + np.arange(5)


def upstream(shape):
    return np.random.default_rng(5).normal(size=shape)


def make(shape, cls=Unitization, alpha=None, **options):
    layer = cls(**({"epsilon": EPSILON, "momentum": 0.9, "dtype": "float64"} | options))
    layer.build((None, *shape[1:]))
    layer.gamma.assign([1.0, 2.0, -0.5, 0.8, 1.5])
    layer.beta.assign([0.0, 0.1, -1.0, 3.0, 0.5])
    if alpha is not None:
        layer.alpha.assign(alpha)
    return layer


def as_samples(x):
    return np.asarray(x).reshape(len(x), -1, x.shape[-1])


def tape_of(layer, x, training):
    y, (dx,) = gradients.by_tape(
        lambda x: layer(x, training=training), [x], upstream(x.shape), layer.dtype
    )
    return y, dx


@every_rank
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-11), ("float32", 2e-5)])
def test_starts_as_batch_normalization(shape, dtype, tolerance):
    ours, theirs = (
        make(shape, cls, dtype=dtype) for cls in (Unitization, keras.layers.BatchNormalization)
    )
    for seed, training, trainable in ((0, 1, 1), (1, 1, 1), (2, 0, 1), (3, 1, 0), (4, 1, 1)):
        ours.trainable = theirs.trainable = bool(trainable)
        x = inputs(shape, seed)
        y, dx = tape_of(ours, x, bool(training))
        y_theirs, dx_theirs = tape_of(theirs, x, bool(training))
        np.testing.assert_allclose(y, y_theirs, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(dx, dx_theirs, rtol=tolerance, atol=tolerance)
        for name in ("moving_mean", "moving_variance"):
            value, expected = getattr(ours, name).numpy(), getattr(theirs, name).numpy()
            np.testing.assert_allclose(value, expected, rtol=tolerance)


@every_rank
def test_training_and_inference_against_numpy(shape):
    layer = make(shape, alpha=ALPHA)
    affine = (ALPHA, layer.gamma.numpy(), layer.beta.numpy(), EPSILON)
    mean, variance = np.zeros(5), np.ones(5)
    for seed in range(3):
        x = as_samples(inputs(shape, seed))
        y = layer(inputs(shape, seed), training=True).numpy()
        np.testing.assert_allclose(as_samples(y), reference.unitize(x, *affine), atol=1e-12)
        mean = 0.9 * mean + 0.1 * x.mean((0, 1))
        variance = 0.9 * variance + 0.1 * x.var((0, 1))
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-12)
    x = inputs(shape, seed=9)
    expected = reference.unitize(as_samples(x), *affine, mean, variance)
    np.testing.assert_allclose(as_samples(layer(x).numpy()), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 2, 5)])
@pytest.mark.parametrize("training", [True, False])
def test_gradients(shape, training):
    layer = make(shape, alpha=ALPHA)
    layer.moving_mean.assign(np.linspace(-1, 1, 5))
    layer.moving_variance.assign(np.linspace(0.5, 2, 5))
    statistics = {"mean": np.linspace(-1, 1, 5), "variance": np.linspace(0.5, 2, 5)}
    x = inputs(shape)
    _, dx = tape_of(layer, x, training)

    def loss(x):
        given = {} if training else statistics
        y = reference.unitize(
            as_samples(x), ALPHA, layer.gamma.numpy(), layer.beta.numpy(), EPSILON, **given
        )
        return np.sum(upstream(shape) * y.reshape(shape))

    assert gradients.relative_error(dx, gradients.by_differences(loss, x)) < 1e-8


@every_rank
def test_raw_form_is_the_practical_g(shape):
    layer = make(shape, alpha=ALPHA, normalize=False)
    x = inputs(shape)
    axes = tuple(range(1, len(shape)))

    def g(x):
        square = (x**2).sum(axes, keepdims=True)
        g = (1 / np.sqrt(square + EPSILON) * ALPHA + (1 - ALPHA)) * x
        return layer.gamma.numpy() * g + layer.beta.numpy()

    truth = gradients.by_differences(lambda x: np.sum(upstream(shape) * g(x)), x)
    for training in (True, False):
        y, dx = tape_of(layer, x, training)
        np.testing.assert_allclose(y, g(x), atol=1e-12)
        assert gradients.relative_error(dx, truth) < 1e-8
    assert [weight.name for weight in layer.weights] == ["gamma", "beta", "alpha"]


def test_raw_form_at_zero():
    layer = make((2, 3, 5), alpha=np.ones(5), normalize=False)
    y, dx = tape_of(layer, np.zeros((2, 3, 5)), True)
    np.testing.assert_array_equal(y, np.broadcast_to(layer.beta.numpy(), y.shape))
    expected = layer.gamma.numpy() / np.sqrt(EPSILON) * upstream((2, 3, 5))
    np.testing.assert_allclose(dx, expected, rtol=1e-12)


@pytest.mark.parametrize("shape, norm", [((6, 5), 1.0), ((3, 4, 2, 5), 8.0)])
def test_norm_at_alpha_1(shape, norm):
    """1 for a vector, the number of pixels for a map, as the released layer has it."""
    layer = make(shape, alpha=np.ones(5), center=True, epsilon=1e-9)
    layer.gamma.assign(np.ones(5))
    layer.beta.assign(np.zeros(5))
    y = layer(inputs(shape), training=True).numpy()
    np.testing.assert_allclose(np.linalg.norm(as_samples(y), axis=(1, 2)), norm, rtol=1e-6)


@pytest.mark.parametrize("normalize", [True, False])
def test_scale_and_shift_are_optional(normalize):
    layer = Unitization(center=False, scale=False, normalize=normalize, dtype="float64")
    x = inputs((3, 4, 5))
    y = layer(x, training=True).numpy()
    assert [weight.name for weight in layer.trainable_weights] == ["alpha"]
    expected = reference.unitize(x, np.zeros(5)) if normalize else x
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_alpha_is_constrained_and_regularized():
    layer = Unitization(
        alpha_initializer=keras.initializers.Constant(0.5),
        alpha_constraint=UnitInterval(),
        alpha_regularizer=keras.regularizers.L1(0.25),
    )
    layer.build((None, 3))
    assert float(layer.losses[0]) == pytest.approx(0.25 * 3 * 0.5)
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build([layer.alpha])
    optimizer.apply_gradients([(tf.constant([2.0, 0.25, -2.0]), layer.alpha)])
    np.testing.assert_array_equal(layer.alpha, [0.0, 0.25, 1.0])


def test_the_unit_interval_survives_saving(tmp_path):
    model = keras.Sequential([keras.Input((3,)), Unitization(alpha_constraint=UnitInterval())])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.layers[0].alpha_constraint, UnitInterval)
