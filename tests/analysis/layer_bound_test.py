"""The bound of the layer's form of unitization, against what the layer gives."""

import numpy as np
import pytest

from tests import reference
from tests.analysis.checked import assert_at_most
from tfnorm import Unitization
from tfnorm.analysis import unitization_bounds
from tfnorm.analysis.exact import exact_distance

EPSILON = 1e-3


def normalised(x, mean=None, variance=None, epsilon=EPSILON):
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes) if mean is None else mean
    variance = ((x - mean) ** 2).mean(axes) if variance is None else variance
    return (x - mean) / np.sqrt(variance + epsilon)


def flat(x):
    return np.reshape(x, (len(x), -1))


def make(shape, alpha, **options):
    layer = Unitization(**({"epsilon": EPSILON, "dtype": "float64"} | options))
    layer.build(shape)
    layer.alpha.assign(alpha)
    return layer


def maps(n, shape, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.geometric(0.3, size=(n, *[1] * len(shape)))
    return sizes * rng.normal(size=(n, *shape)) * [0.2, 1.0, 4.0] + [0.0, 1.0, -3.0]


SHAPES = [(3,), (5, 3), (4, 6, 3), (2, 3, 4, 3)]
ALPHAS = ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.5, 1.0], [-0.5, 2.0, 1.0])
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"rank {1 + len(shape)}")


@every_shape
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("training", [True, False])
def test_layer(shape, alpha, training):
    x, y = maps(13, shape, seed=1), 3 * maps(9, shape, seed=2)
    layer = make((None, *shape), alpha)
    moments = () if training else (np.array([0.0, 1.0, -3.0]), np.array([0.1, 2.0, 9.0]))
    for variable, moment in zip((layer.moving_mean, layer.moving_variance), moments, strict=False):
        variable.assign(moment)
    outputs = [flat(layer(values, training=training)) for values in (x, y)]
    bound = unitization_bounds.layer_bound(normalised(x, *moments), normalised(y, *moments), alpha)
    distance = exact_distance(*outputs)
    assert 0.01 * bound < distance
    assert_at_most(distance, bound)
    if training:
        pixels, away = np.prod(shape[:-1]), abs(1 - np.array(alpha)).max()
        whatever = 2 * np.max(np.abs(alpha)) * pixels + 2 * away * np.sqrt(pixels * shape[-1])
        assert_at_most(bound, whatever)


@every_shape
def test_layer_attains_its_bound(shape):
    """At alpha = 1 by opposite maps: the norms are P, and Theorem 3.4's own 2 does not hold."""
    pixels = np.prod(shape[:-1])
    x = maps(1, shape, seed=3)
    layer = make((None, *shape), np.ones(3), epsilon=1e-9)
    outputs = [flat(layer(values)) for values in (x, -x)]
    # Not in training, by moments 0 and 1: normalised maps are the maps.
    distance = exact_distance(*outputs)
    assert distance == pytest.approx(unitization_bounds.layer_bound(x, -x, np.ones(3)), rel=1e-6)
    assert distance == pytest.approx(2 * pixels, rel=1e-6)


def test_layer_with_gamma_and_beta():
    x, y = maps(13, (4, 6, 3), seed=1), maps(9, (4, 6, 3), seed=2)
    layer = make(x.shape, [0.0, 0.5, 1.0])
    layer.gamma.assign([0.5, -4.0, 1.0])
    layer.beta.assign([100.0, 0.0, -100.0])
    distance = exact_distance(*(flat(layer(values, training=True)) for values in (x, y)))
    assert_at_most(
        distance, 4 * unitization_bounds.layer_bound(normalised(x), normalised(y), [0.0, 0.5, 1.0])
    )


def test_layer_without_normalization():
    x, y = maps(13, (4, 6, 3), seed=1), maps(9, (4, 6, 3), seed=2)
    alpha = np.array([0.9, 1.0, 1.2])
    layer = make(x.shape, alpha, normalize=False)
    distance = exact_distance(*(flat(layer(values)) for values in (x, y)))
    assert_at_most(
        distance, unitization_bounds.practical_bound(flat(x), flat(y), np.tile(alpha, 24))
    )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_layer_of_vectors_is_theorem_3_4(alpha):
    x, y = maps(13, (3,), seed=1), maps(9, (3,), seed=2)
    bound = unitization_bounds.layer_bound(x, y, alpha)
    assert bound == unitization_bounds.practical_bound(x, y, alpha)


def test_reference_layer_formula_is_the_bounded_one():
    """The docstring's g, written on the normalised map, is the layer's."""
    x = maps(7, (4, 6, 3), seed=1)
    alpha = np.array([0.0, 0.5, 2.0])
    xh = normalised(x)
    square = np.sum(xh**2, axis=(1, 2, 3), keepdims=True)
    g = alpha * xh / np.sqrt(square / 24**2 + EPSILON) + (1 - alpha) * xh
    truth = reference.unitize(x.reshape(7, 24, 3), alpha)
    np.testing.assert_allclose(flat(g), flat(truth), rtol=1e-10)
