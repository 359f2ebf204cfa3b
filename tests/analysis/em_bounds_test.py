"""Each theorem's bound against the exact distance, and how near it comes."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients
from tests.analysis.checked import assert_at_most
from tfnorm import functional
from tfnorm.analysis import em_bounds
from tfnorm.analysis.exact import exact_distance

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 14, 4))
LONG = 1.5 * RNG.normal(size=(23, 4)) - 0.3
ZEROS = np.zeros((3, 4))
SPIKES = np.clip(RNG.standard_cauchy(size=(2, 14, 4)), -1e4, 1e4)
LARGE_MEAN = 1e6 * np.ones(4)

# Two samples each: random, shifted, scaled, degenerate, and of different sizes.
PAIRS = {
    "random": (X, Y),
    "sizes": (X, LONG),
    "shifted": (X, X + [3.0, 0.0, -4.0, 0.0]),
    "shifted far": (LARGE_MEAN + X, Y),
    "both far": (LARGE_MEAN + X, LARGE_MEAN + LONG),
    "small": (1e-3 * X, 1e-3 * LONG),
    "tiny": (1e-9 * X, 1e-9 * Y),
    "large": (1e3 * X, 1e3 * LONG),
    "small and large": (1e-3 * X, 1e3 * Y),
    "columns of all scales": (X * [1e-3, 1.0, 30.0, 1e3], LONG * [1e-3, 1.0, 30.0, 1e3]),
    "heavy tails": tuple(SPIKES),
    "opposite": (X, -X),
    "the same": (X, X),
    "permuted": (X, X[::-1]),
    "one each": (X[:1], Y[:1]),
    "one and many": (X[:1], LONG),
    "repeated": (np.repeat(X[:5], 3, 0), Y),
    "repeated, of the same points": (X, np.repeat(X, 2, 0)),
    "some zeros": (np.concatenate([ZEROS, X]), np.concatenate([LONG, ZEROS])),
    "zeros and others": (ZEROS, Y),
    "zeros alone": (ZEROS, ZEROS[:2]),
    "constant": (np.full((5, 4), 3.0), np.full((7, 4), -2.0)),
    "constant column": (X * [1.0, 1.0, 0.0, 1.0] + 2.0, LONG * [1.0, 1.0, 0.0, 1.0] + 2.0),
    "on a line": (X[:, :1] * np.ones(4), LONG[:, :1] * np.ones(4)),
    "one column": (X[:, :1], LONG[:, :1]),
    "more columns than rows": (RNG.normal(size=(5, 60)), RNG.normal(size=(8, 60)) + 0.1),
}
every_pair = pytest.mark.parametrize("x, y", PAIRS.values(), ids=PAIRS)

EPSILON = 1e-3
SCALARS = (0.0, 1e-6, 0.3, 0.9, 1.0)


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


def vectors(d):
    """Vectors alpha in [0, 1]^d."""
    ramp = np.linspace(0, 1, d)
    return np.zeros(d), np.ones(d), ramp, 0.2 + 0.8 * ramp, np.full(d, 0.5)


def real_vectors(d):
    """Vectors alpha that Theorem 3.4 alone allows."""
    return *vectors(d), np.full(d, -0.7), np.linspace(-3, 5, d), np.full(d, 1e3)


# Theorem 1.


@every_pair
def test_moments_bound_from_above(x, y):
    distance, bound = exact_distance(x, y), em_bounds.moment_upper_bound(x, y)
    assert_at_most(distance, bound)
    # Nor is it further off than its own variances and 2, the means' distance being below W.
    excess = np.var(x, 0).sum() + np.var(y, 0).sum() + 2
    assert_at_most(bound - excess, distance, abs(x).max() + excess)


def test_moments_of_points():
    x, y = np.array([[1.0, 2.0]]), np.array([[4.0, 6.0]])
    assert em_bounds.moment_upper_bound(x, y) == pytest.approx(5 + 2)


def test_moments_are_biased_variances_summed():
    x, y = np.array([[0.0, 0.0], [2.0, 4.0]]), np.array([[1.0, 2.0]])
    assert em_bounds.moment_upper_bound(x, y) == pytest.approx(1 + 4 + 2)


# Theorem 2.

POWERS = (1, 2, 3, 4, 9)


def witness(x, n, c):
    """As the theorem prints it, for one sample."""
    total = 0.0
    for value in x:
        total += value**n if abs(value) <= c else (-c) ** n if value < -c else c**n
    return total / (n * c ** (n - 1) * len(x) ** 0.5)


@pytest.mark.parametrize("n", POWERS)
@pytest.mark.parametrize("c", [0.5, 1.0, 20.0])
def test_witness_as_printed(n, c):
    truth = [witness(x, n, c) for x in LONG]
    np.testing.assert_allclose(em_bounds.polynomial_witness(LONG, n, c), truth, rtol=1e-12)


@pytest.mark.parametrize("c", [1e-200, 1e200])
def test_witness_where_its_powers_overflow(c):
    found = em_bounds.polynomial_witness(c * LONG, 9, c)
    np.testing.assert_allclose(found / c, em_bounds.polynomial_witness(LONG, 9, 1.0), rtol=1e-12)


@pytest.mark.parametrize("n", POWERS)
@pytest.mark.parametrize("d", [1, 2, 7])
def test_witness_is_lipschitz(n, d):
    c = 1.3
    rng = np.random.default_rng(d)
    v = rng.uniform(-2 * c, 2 * c, size=(4000, d))
    steps = rng.normal(size=v.shape) * np.geomspace(1e-3, 10, len(v))[:, None]
    change = np.subtract(*(em_bounds.polynomial_witness(p, n, c) for p in (v + steps, v)))
    assert_at_most(np.max(abs(change) / np.linalg.norm(steps, axis=1)), 1.0)


@pytest.mark.parametrize("n", POWERS)
@pytest.mark.parametrize("d", [1, 2, 7])
def test_witness_gradient_is_at_most_1_and_reaches_it(n, d):
    c = 1.3
    inside = np.full(d, 0.999 * c)
    points = [inside, -inside, *np.random.default_rng(d).uniform(-2 * c, 2 * c, size=(40, d))]
    slopes = [
        np.linalg.norm(
            gradients.by_differences(lambda x: em_bounds.polynomial_witness([x], n, c)[0], point)
        )
        for point in points
    ]
    assert max(slopes) <= 1 + 1e-9
    np.testing.assert_allclose(slopes[:2], 0.999 ** (n - 1), rtol=1e-8)


@every_pair
def test_moments_bound_from_below(x, y):
    distance = exact_distance(x, y)
    for n in POWERS:
        for c in (1e-3, 0.8, 5.0, 1e4, 1e9):
            bound = em_bounds.moment_lower_bound(x, y, n, c)
            assert_at_most(bound, distance, abs(x).max() + abs(y).max())


@pytest.mark.parametrize("n, c, at_least", [(1, 20.0, 0.95), (2, 20.0, 0.3), (3, 20.0, 0.1)])
def test_lower_bound_says_something(n, c, at_least):
    x, y = 0.5 * X + 10, 0.5 * LONG + 4
    distance = exact_distance(x, y)
    bound = em_bounds.moment_lower_bound(x, y, n, c)
    assert at_least * distance < bound < distance


@pytest.mark.parametrize("n", POWERS)
def test_lower_bound_is_attained(n):
    """By points where the witness has slope 1."""
    x, y = np.full((1, 3), 2.0), np.full((1, 3), 2 - 1e-7)
    bound = em_bounds.moment_lower_bound(x, y, n, 2.0)
    assert bound == pytest.approx(exact_distance(x, y), rel=1e-6)


@pytest.mark.parametrize("n, positive", [(1, True), (2, False), (3, True), (4, False)])
def test_even_powers_do_not_see_the_sign(n, positive):
    x = X + 2.0
    assert (em_bounds.moment_lower_bound(x, -x, n, 3.0) > 0.1) == positive


# The example.


@pytest.mark.parametrize("d", [1, 5])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_example_is_unbounded(d, n):
    factor = (2**-n - 4**-n) * np.sqrt(d) / n
    for c in (1e-3, 1.0, 10.0, 1e4, 1e12):
        x, y = em_bounds.unbounded_example(30, d, c)
        assert x.shape == y.shape == (30, d)
        assert c / 2 <= x.min() and x.max() <= c
        assert 0 <= y.min() and y.max() <= c / 4
        bound = em_bounds.unbounded_example_bound(d, n, c)
        assert bound == pytest.approx(factor * c, rel=1e-12)
        by_moments = em_bounds.moment_lower_bound(x, y, n, c)
        assert 0 < bound < by_moments
        assert_at_most(by_moments, exact_distance(x, y))


def test_example_grows_past_any_number():
    for limit in (1.0, 1e6, 1e12):
        assert em_bounds.unbounded_example_bound(3, 2, 10 * limit) > limit


def test_example_scales_with_its_size():
    x, y = em_bounds.unbounded_example(30, 2, 1.0, seed=4)
    for c in (0.1, 700.0):
        for scaled, one in zip(em_bounds.unbounded_example(30, 2, c, seed=4), (x, y), strict=True):
            np.testing.assert_allclose(scaled, c * one, rtol=1e-12)
    assert not np.array_equal(em_bounds.unbounded_example(30, 2, 1.0, seed=5)[0], x)


def test_example_fills_its_cubes():
    x, y = em_bounds.unbounded_example(20_000, 2, 8.0)
    for values, low, high in ((x, 4, 8), (y, 0, 2)):
        np.testing.assert_allclose(values.min(0), low, atol=1e-2)
        np.testing.assert_allclose(values.max(0), high, atol=1e-2)
        np.testing.assert_allclose(values.mean(0), (low + high) / 2, atol=5e-2)
        np.testing.assert_allclose(values.var(0), (high - low) ** 2 / 12, rtol=5e-2)


# Theorems 3.1 to 3.4.


@every_pair
def test_vanilla(x, y):
    assert em_bounds.vanilla_bound(x, y) == 2
    assert_at_most(exact_distance(vanilla(x), vanilla(y)), 2)


@every_pair
@pytest.mark.parametrize("alpha", SCALARS)
def test_scalar(x, y, alpha):
    bound = em_bounds.scalar_bound(x, y, alpha)
    assert_at_most(exact_distance(scalar(x, alpha), scalar(y, alpha)), bound)


@every_pair
def test_vector(x, y):
    for alpha in vectors(x.shape[1]):
        bound = em_bounds.vector_bound(x, y, alpha)
        assert_at_most(exact_distance(vector(x, alpha), vector(y, alpha)), bound)


@every_pair
def test_practical(x, y):
    for alpha in real_vectors(x.shape[1]):
        for epsilon in (1e-12, EPSILON, 10.0):
            bound = em_bounds.practical_bound(x, y, alpha)
            distance = exact_distance(practical(x, alpha, epsilon), practical(y, alpha, epsilon))
            assert_at_most(distance, bound)


@every_pair
def test_second_line_of_the_vector_bound_holds_for_every_alpha(x, y):
    """What the docstrings of `scalar_bound` and `vector_bound` say of small alpha."""
    bound = em_bounds.vector_bound(x, y, np.zeros(x.shape[1]))
    for alpha in vectors(x.shape[1]):
        assert_at_most(exact_distance(vector(x, alpha), vector(y, alpha)), bound)
    for alpha in SCALARS:
        assert_at_most(exact_distance(scalar(x, alpha), scalar(y, alpha)), bound)


@pytest.mark.parametrize("n, m", [(1, 1), (3, 2)])
def test_bounds_are_attained_by_opposite_points(n, m):
    norm = 1e7
    x, y = np.tile([[norm, 0.0]], (n, 1)), np.tile([[-norm, 0.0]], (m, 1))

    def assert_attained(g, bound, *alpha):
        distance = exact_distance(g(x, *alpha), g(y, *alpha))
        assert distance == pytest.approx(bound(x, y, *alpha), rel=1e-6)

    assert_attained(vanilla, em_bounds.vanilla_bound)
    for alpha in (0.0, 0.4, 1.0):
        assert_attained(scalar, em_bounds.scalar_bound, alpha)
    for alpha in ([0.4, 0.9], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]):
        assert_attained(vector, em_bounds.vector_bound, np.array(alpha))
    for alpha in ([0.0, 0.0], [1.0, 1.0], [0.3, 0.3], [0.3, 0.6]):
        assert_attained(practical, em_bounds.practical_bound, np.array(alpha))


@pytest.mark.parametrize(
    "bound, alpha, value",
    [
        (em_bounds.vanilla_bound, (), 2),
        (em_bounds.scalar_bound, (0.0,), 5 + 1),
        (em_bounds.scalar_bound, (0.25,), 8),
        (em_bounds.vector_bound, ([0.5, 0.25],), 8),
        (em_bounds.vector_bound, ([0.5, 0.0],), 5 + 1 + 2),
        (em_bounds.practical_bound, ([0.5, -2.0],), 2 * 2 + 3 * (5 + 1)),
        (em_bounds.practical_bound, ([0.5, 4.0],), 2 * 4 + 3 * (5 + 1)),
    ],
)
def test_values(bound, alpha, value):
    x, y = [[3.0, 4.0], [6.0, -8.0], [0.0, 0.0]], [[0.0, 1.0]]
    assert bound(x, y, *alpha) == pytest.approx(value, rel=1e-12)


RAMP = np.linspace(0.2, 1.0, 4)


@pytest.mark.parametrize(
    "ours, g, bound, alpha",
    [
        (
            lambda x: functional.vanilla_unitization(x, constant(4)),
            vanilla,
            em_bounds.vanilla_bound,
            (),
        ),
        (
            lambda x, alpha: functional.scalar_unitization(x, alpha, constant(4)),
            scalar,
            em_bounds.scalar_bound,
            (1.0,),
        ),
        (functional.vector_unitization, vector, em_bounds.vector_bound, (RAMP,)),
        (functional.practical_unitization, practical, em_bounds.practical_bound, (4 * RAMP - 1,)),
    ],
    ids=["vanilla", "scalar", "vector", "practical"],
)
def test_what_the_package_computes(ours, g, bound, alpha):
    x, y = PAIRS["some zeros"]
    found = [np.asarray(ours(tf.constant(values), *alpha)) for values in (x, y)]
    for values, unitized in zip((x, y), found, strict=True):
        np.testing.assert_allclose(unitized, g(values, *alpha), rtol=1e-12, atol=1e-15)
    assert_at_most(exact_distance(*found), bound(x, y, *alpha))


# What the supplement leaves unsaid.


def test_the_constant_must_not_be_longer_than_1():
    x, y = np.zeros((1, 2)), np.array([[-1.0, 0.0]])
    long = np.array([10.0, 0.0])
    found = [np.asarray(functional.vanilla_unitization(values, long)) for values in (x, y)]
    assert exact_distance(*found) == pytest.approx(11)
    assert em_bounds.vanilla_bound(x, y) == 2


def test_alpha_must_be_the_same_for_both():
    x, y = np.array([[1.0, 0.0]]), np.array([[-100.0, 0.0]])
    assert exact_distance(scalar(x, 1.0), scalar(y, 0.0)) == pytest.approx(101)
    assert em_bounds.scalar_bound(x, y, 1.0) == 2


# Errors.

ONES = np.ones((3, 2))
NAN = np.array([[1.0, np.nan], [np.inf, 0.0]])
OF_TWO = {
    "moment_upper_bound": (),
    "moment_lower_bound": (2, 1.0),
    "vanilla_bound": (),
    "scalar_bound": (0.5,),
    "vector_bound": ([0.5, 0.5],),
    "practical_bound": ([0.5, 0.5],),
    "layer_bound": ([0.5, 0.5],),
}


@pytest.mark.parametrize("name", OF_TWO)
@pytest.mark.parametrize(
    "x, y, received",
    [
        (np.ones(2), ONES, r"Received: x\.shape=\(2,\)"),
        (ONES, np.ones((0, 2)), r"Received: y\.shape=\(0, 2\)"),
        (ONES, np.ones((3, 3)), r"Received: x\.shape=\(3, 2\), y\.shape=\(3, 3\)"),
        (NAN, ONES, r"`x` must be finite\. Received: 2 of 4 values"),
        (ONES, NAN, r"`y` must be finite\. Received: 2 of 4 values"),
    ],
)
def test_errors_of_samples(name, x, y, received):
    with pytest.raises(ValueError, match=received):
        getattr(em_bounds, name)(x, y, *OF_TWO[name])


@pytest.mark.parametrize("name", sorted(set(OF_TWO) - {"layer_bound"}))
def test_errors_of_rank(name):
    with pytest.raises(ValueError, match=r"Received: x\.shape=\(3, 5, 2\)"):
        getattr(em_bounds, name)(np.ones((3, 5, 2)), ONES, *OF_TWO[name])


@pytest.mark.parametrize(
    "name, arguments, received",
    [
        ("scalar_bound", (ONES, ONES, 1.5), r"Received: alpha=1\.5"),
        ("scalar_bound", (ONES, ONES, -0.1), r"Received: alpha=-0\.1"),
        ("scalar_bound", (ONES, ONES, np.nan), r"Received: alpha=nan"),
        ("scalar_bound", (ONES, ONES, [0.1, 0.2]), r"Received: alpha=\[0\.1, 0\.2\]"),
        ("vector_bound", (ONES, ONES, 0.5), r"Received: alpha=array\(0\.5\)"),
        ("vector_bound", (ONES, ONES, [0.1, 1.2]), r"Received: alpha=array\(\[0\.1, 1\.2\]\)"),
        ("vector_bound", (ONES, ONES, [-0.1, 0.2]), r"Received: alpha=array\(\[-0\.1,  0\.2\]\)"),
        ("practical_bound", (ONES, ONES, [1.0] * 3), r"Received: alpha=array\(\[1\., 1\., 1\.\]\)"),
        ("practical_bound", (ONES, ONES, [1.0, np.inf]), r"Received: alpha=array\(\[ 1\., inf\]\)"),
        ("layer_bound", (np.ones((3, 5, 2)), np.ones((4, 5, 2)), [1.0]), r"Received: alpha=array"),
        ("layer_bound", (np.ones((3, 5, 2)), ONES, [1.0, 1.0]), r"y\.shape=\(3, 2\)"),
        ("polynomial_witness", (NAN, 2, 1.0), r"`x` must be finite\. Received: 2 of 4"),
        ("polynomial_witness", (ONES, 0, 1.0), r"Received: n=0"),
        ("polynomial_witness", (ONES, 2.5, 1.0), r"Received: n=2\.5"),
        ("polynomial_witness", (ONES, 2, 0.0), r"Received: c=0\.0"),
        ("moment_lower_bound", (ONES, ONES, -1, 1.0), r"Received: n=-1"),
        ("moment_lower_bound", (ONES, ONES, 2, np.inf), r"Received: c=inf"),
        ("unbounded_example", (3, 2, -1.0), r"Received: c=-1\.0"),
        ("unbounded_example_bound", (2, 2.0, 1.0), r"Received: n=2\.0"),
        ("unbounded_example_bound", (2, 2, np.nan), r"Received: c=nan"),
    ],
)
def test_errors(name, arguments, received):
    with pytest.raises(ValueError, match=received):
        getattr(em_bounds, name)(*arguments)
