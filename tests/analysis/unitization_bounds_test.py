"""The bounds of unitized samples against the exact distance, and how near they come."""

import numpy as np
import pytest
import tensorflow as tf

from tests.analysis.checked import PAIRS, assert_at_most, every_pair
from tfnorm import functional
from tfnorm.analysis import unitization_bounds as bounds
from tfnorm.analysis.exact import exact_distance

EPSILON = 1e-3


def constant(d):
    """A unit vector, the value at 0 of the forms that have none."""
    return np.eye(d)[0]


def vanilla(x):
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.where(norm == 0, constant(x.shape[1]), x / np.where(norm == 0, 1, norm))


def scalar(x, alpha):
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    if alpha == 1:
        return vanilla(x)
    return x / (alpha * norm + (1 - alpha))


def vector(x, alpha):
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    denominator = alpha * norm + (1 - alpha)
    return np.where(norm == 0, 0, x / np.where(norm == 0, 1, denominator))


def practical(x, alpha, epsilon=EPSILON):
    square = np.sum(x**2, axis=1, keepdims=True)
    return (alpha / np.sqrt(square + epsilon) + (1 - alpha)) * x


SCALARS = (0.0, 1e-6, 0.3, 1.0)


def vectors(d):
    """Vectors alpha in [0, 1]^d, of which the smallest entry is 0, near 0 and 1."""
    ramp = np.linspace(0, 1, d)
    return np.zeros(d), ramp, 0.2 + 0.8 * ramp, np.ones(d)


@every_pair
def test_vanilla(x, y):
    assert bounds.vanilla_bound(x, y) == 2
    assert_at_most(exact_distance(vanilla(x), vanilla(y)), 2)


@every_pair
def test_scalar(x, y):
    # As the docstring says, and the proof of Theorem 3.3.
    every_alpha_bound = bounds.vector_bound(x, y, np.zeros(x.shape[1]))
    for alpha in SCALARS:
        distance = exact_distance(scalar(x, alpha), scalar(y, alpha))
        assert_at_most(distance, bounds.scalar_bound(x, y, alpha))
        assert_at_most(distance, every_alpha_bound)


@every_pair
def test_vector(x, y):
    every_alpha_bound = bounds.vector_bound(x, y, np.zeros(x.shape[1]))
    for alpha in vectors(x.shape[1]):
        distance = exact_distance(vector(x, alpha), vector(y, alpha))
        assert_at_most(distance, bounds.vector_bound(x, y, alpha))
        assert_at_most(distance, every_alpha_bound)


@every_pair
def test_practical(x, y):
    # Theorem 3.4 alone allows alpha outside [0, 1].
    d = x.shape[1]
    for alpha in (*vectors(d), np.full(d, -0.7), np.linspace(-3, 5, d)):
        for epsilon in (1e-12, 10.0):
            distance = exact_distance(practical(x, alpha, epsilon), practical(y, alpha, epsilon))
            assert_at_most(distance, bounds.practical_bound(x, y, alpha))


def test_bounds_are_attained_by_opposite_points():
    norm = 1e7
    x, y = np.tile([[norm, 0.0]], (3, 1)), np.tile([[-norm, 0.0]], (2, 1))

    def assert_attained(g, bound, *alpha):
        distance = exact_distance(g(x, *alpha), g(y, *alpha))
        assert distance == pytest.approx(bound(x, y, *alpha), rel=1e-6)

    assert_attained(vanilla, bounds.vanilla_bound)
    for alpha in (0.0, 0.4, 1.0):
        assert_attained(scalar, bounds.scalar_bound, alpha)
    for alpha in ([0.4, 0.9], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]):
        assert_attained(vector, bounds.vector_bound, np.array(alpha))
    for alpha in ([0.0, 0.0], [1.0, 1.0], [0.3, 0.3], [0.3, 0.6]):
        assert_attained(practical, bounds.practical_bound, np.array(alpha))


@pytest.mark.parametrize(
    "bound, alpha, value",
    [
        (bounds.scalar_bound, 0.0, 5 + 1),
        (bounds.scalar_bound, 0.25, 8),
        (bounds.vector_bound, [0.5, 0.25], 8),
        (bounds.vector_bound, [0.5, 0.0], 5 + 1 + 2),
        (bounds.practical_bound, [0.5, -2.0], 2 * 2 + 3 * (5 + 1)),
        (bounds.practical_bound, [0.5, 4.0], 2 * 4 + 3 * (5 + 1)),
    ],
)
def test_values(bound, alpha, value):
    x, y = [[3.0, 4.0], [6.0, -8.0], [0.0, 0.0]], [[0.0, 1.0]]
    assert bound(x, y, alpha) == pytest.approx(value, rel=1e-12)


RAMP = np.linspace(0.2, 1.0, 4)


@pytest.mark.parametrize(
    "function, g, bound, alpha",
    [
        (
            lambda x: functional.vanilla_unitization(x, constant(4)),
            vanilla,
            bounds.vanilla_bound,
            (),
        ),
        (
            lambda x, alpha: functional.scalar_unitization(x, alpha, constant(4)),
            scalar,
            bounds.scalar_bound,
            (1.0,),
        ),
        (functional.vector_unitization, vector, bounds.vector_bound, (RAMP,)),
        (functional.practical_unitization, practical, bounds.practical_bound, (4 * RAMP - 1,)),
    ],
    ids=["vanilla", "scalar", "vector", "practical"],
)
def test_what_the_package_computes(function, g, bound, alpha):
    x, y = PAIRS["some zeros"]
    outputs = [np.asarray(function(tf.constant(values), *alpha)) for values in (x, y)]
    for values, unitized in zip((x, y), outputs, strict=True):
        np.testing.assert_allclose(unitized, g(values, *alpha), rtol=1e-12, atol=1e-15)
    assert_at_most(exact_distance(*outputs), bound(x, y, *alpha))


# What the supplement leaves unsaid.


def test_the_constant_must_not_be_longer_than_1():
    x, y = np.zeros((1, 2)), np.array([[-1.0, 0.0]])
    long = np.array([10.0, 0.0])
    outputs = [np.asarray(functional.vanilla_unitization(values, long)) for values in (x, y)]
    assert exact_distance(*outputs) == pytest.approx(11)
    assert bounds.vanilla_bound(x, y) == 2


def test_alpha_must_be_the_same_for_both():
    x, y = np.array([[1.0, 0.0]]), np.array([[-100.0, 0.0]])
    assert exact_distance(scalar(x, 1.0), scalar(y, 0.0)) == pytest.approx(101)
    assert bounds.scalar_bound(x, y, 1.0) == 2


# Errors.

ONES, MAPS = np.ones((3, 2)), np.ones((3, 5, 2))


@pytest.mark.parametrize(
    "name, arguments, received",
    [
        ("vanilla_bound", (MAPS, MAPS), r"x\.shape=\(3, 5, 2\)"),
        ("scalar_bound", (MAPS, MAPS, 0.5), r"x\.shape=\(3, 5, 2\)"),
        ("scalar_bound", (ONES, ONES, 1.5), r"alpha=1\.5"),
        ("scalar_bound", (ONES, ONES, -0.1), r"alpha=-0\.1"),
        ("scalar_bound", (ONES, ONES, np.nan), r"alpha=nan"),
        ("scalar_bound", (ONES, ONES, [0.1, 0.2]), r"alpha=\[0\.1, 0\.2\]"),
        ("scalar_bound", (ONES, ONES, "a"), "alpha='a'"),
        ("vector_bound", (MAPS, MAPS, [0.5, 0.5]), r"x\.shape=\(3, 5, 2\)"),
        ("vector_bound", (ONES, ONES, 0.5), r"alpha=array\(0\.5\)"),
        ("vector_bound", (ONES, ONES, [0.1, 1.2]), r"alpha=array\(\[0\.1, 1\.2\]\)"),
        ("vector_bound", (ONES, ONES, [-0.1, 0.2]), r"alpha=array\(\[-0\.1,  0\.2\]\)"),
        ("practical_bound", (MAPS, MAPS, [0.5, 0.5]), r"x\.shape=\(3, 5, 2\)"),
        ("practical_bound", (ONES, ONES, [1.0] * 3), r"alpha=array\(\[1\., 1\., 1\.\]\)"),
        ("practical_bound", (ONES, ONES, [1.0, np.inf]), r"alpha=array\(\[ 1\., inf\]\)"),
        ("layer_bound", (MAPS, MAPS, [1.0]), r"alpha=array"),
        ("layer_bound", (MAPS, ONES, [1.0, 1.0]), r"x\.shape=\(3, 5, 2\), y\.shape=\(3, 2\)"),
    ],
)
def test_errors(name, arguments, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        getattr(bounds, name)(*arguments)
