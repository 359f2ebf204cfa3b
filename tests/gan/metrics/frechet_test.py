import numpy as np
import pytest
import scipy.linalg

from gan.metrics.frechet import (
    Moments,
    distance_by_factor,
    factor,
    frechet_distance,
    frechet_distance_of_features,
    moments,
    trace_sqrt_product,
)
from gan.tfgan import tfgan


def _covariance(random, d, rank=None, condition=100.0):
    """A covariance of known rank, its other eigenvalues from 1 / condition to 1."""
    basis = np.linalg.qr(random.normal(size=(d, d)))[0]
    values = np.geomspace(1 / condition, 1, d)
    values[: d - (rank or d)] = 0
    return basis * values @ basis.T


def _by_sqrtm(mean_a, cov_a, mean_b, cov_b):
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    return np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a + cov_b) - 2 * np.trace(root).real


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_moments_are_unbiased_float64(random):
    features = random.normal(size=(50, 4)).astype(np.float32) + 3
    mean, covariance = moments(features)
    assert mean.dtype == covariance.dtype == np.float64
    np.testing.assert_allclose(mean, features.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(features.astype(np.float64).T), rtol=1e-12)


def test_moments_of_a_large_mean_keep_their_digits(random):
    features = random.normal(size=(1000, 3))
    np.testing.assert_allclose(moments(features + 1e6)[1], moments(features)[1], rtol=1e-8)


@pytest.mark.parametrize("size", [1, 7, 64, 100])
def test_moments_in_parts(random, size):
    # A mean that is large, and that drifts: E(x x^T) - mean mean^T would keep no digit.
    features = random.normal(size=(100, 5)) + 1e8 + np.arange(100)[:, None]
    mean, covariance = features.mean(0), np.cov((features - 1e8).T)
    parts = [features[i : i + size] for i in range(0, 100, size)]
    updated, halves = Moments(), [Moments(), Moments()]
    for i, part in enumerate(parts):
        updated.update(part)
        halves[i % 2].update(part)
    halves[0].merge(halves[1])
    halves[0].merge(Moments())
    for whole in (updated, halves[0]):
        assert whole.count == 100
        np.testing.assert_allclose(whole.result()[0], mean, rtol=1e-14)
        np.testing.assert_allclose(whole.result()[1], covariance, rtol=1e-7)
    into_nothing = Moments()
    into_nothing.merge(updated)
    before = [array.copy() for array in updated.result()]
    into_nothing.update(parts[0])
    for array, kept in zip(updated.result(), before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_bad_parts(random):
    running = Moments()
    with pytest.raises(ValueError, match="Received: count=0"):
        running.result()
    running.update(random.normal(size=(1, 3)))
    with pytest.raises(ValueError, match="Received: count=1"):
        running.result()
    with pytest.raises(ValueError, match="Received: 3 and 2"):
        running.update(random.normal(size=(4, 2)))
    with pytest.raises(ValueError, match="Received: 3 of 3 values"):
        running.update(np.full([1, 3], np.nan))
    with pytest.raises(ValueError, match=r"Received: features.shape=\(0, 3\)"):
        running.update(np.zeros([0, 3]))
    assert running.count == 1


def test_diagonal_gaussians_in_closed_form(random):
    mean_a, mean_b = random.normal(size=(2, 6))
    std_a, std_b = random.uniform(0.1, 3, size=(2, 6))
    expected = np.sum((mean_a - mean_b) ** 2) + np.sum((std_a - std_b) ** 2)
    got = frechet_distance(mean_a, np.diag(std_a**2), mean_b, np.diag(std_b**2))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_one_feature():
    np.testing.assert_allclose(frechet_distance([1.0], [[4.0]], [4.0], [[9.0]]), 10.0, rtol=1e-14)


def test_commuting_covariances(random):
    basis = np.linalg.qr(random.normal(size=(7, 7)))[0]
    std_a, std_b = random.uniform(0.1, 3, size=(2, 7))
    cov_a, cov_b = basis * std_a**2 @ basis.T, basis * std_b**2 @ basis.T
    np.testing.assert_allclose(trace_sqrt_product(cov_a, cov_b), std_a @ std_b, rtol=1e-12)
    got = frechet_distance(np.zeros(7), cov_a, np.zeros(7), cov_b)
    np.testing.assert_allclose(got, np.sum((std_a - std_b) ** 2), rtol=1e-11)


@pytest.mark.parametrize("condition", [10.0, 1e6])
def test_against_scipy(random, condition):
    mean_a, mean_b = random.normal(size=(2, 30))
    cov_a, cov_b = (_covariance(random, 30, condition=condition) for _ in range(2))
    got = frechet_distance(mean_a, cov_a, mean_b, cov_b)
    np.testing.assert_allclose(got, _by_sqrtm(mean_a, cov_a, mean_b, cov_b), rtol=1e-9)
    np.testing.assert_allclose(got, frechet_distance(mean_b, cov_b, mean_a, cov_a), rtol=1e-12)


def test_rank_deficient(random):
    # Rank one: S_a = a a^T, S_b = b b^T, tr (S_a S_b)^{1/2} = |a.b|.
    a, b = random.normal(size=(2, 20))
    trace = trace_sqrt_product(np.outer(a, a), np.outer(b, b))
    np.testing.assert_allclose(trace, abs(a @ b), rtol=1e-7)
    # In orthogonal subspaces the distance is the sum of the traces.
    upper, lower = np.diag([1.0, 2, 0, 0]), np.diag([0, 0, 3.0, 4])
    assert frechet_distance(np.zeros(4), upper, np.zeros(4), lower) == pytest.approx(10, abs=1e-12)
    constant = np.zeros((4, 4))
    assert frechet_distance(np.ones(4), constant, np.zeros(4), constant) == 4


@pytest.mark.parametrize("rank", [None, 5])
def test_equal_sets_are_at_distance_zero(random, rank):
    covariance = _covariance(random, 40, rank)
    mean = random.normal(size=40)
    assert 0 <= frechet_distance(mean, covariance, mean, covariance) < 1e-9
    features = random.normal(size=(rank or 100, 40))
    assert 0 <= frechet_distance_of_features(features, features) < 1e-9


@pytest.mark.parametrize("n_a, n_b", [(10, 12), (10, 200), (200, 10), (100, 120), (2, 3)])
def test_of_features_is_that_of_their_moments(random, n_a, n_b):
    a = random.normal(size=(n_a, 24)) @ _covariance(random, 24)
    b = random.normal(size=(n_b, 24)) @ _covariance(random, 24) + 0.3
    # 1e-7 if rounding in the place of zero eigenvalues were summed.
    expected = frechet_distance(*moments(a), *moments(b))
    np.testing.assert_allclose(frechet_distance_of_features(a, b), expected, rtol=1e-11)


@pytest.mark.parametrize("n", [12, 150])
def test_against_tensorflow_gan(random, n):
    a = random.normal(size=(n, 20))
    b = random.normal(size=(n, 20)) @ _covariance(random, 20) + 0.3
    expected = tfgan.eval.frechet_classifier_distance_from_activations(a, b).numpy()
    assert expected.dtype == np.float64
    # tensorflow-gan's square root keeps singular values below 1e-10 as they are.
    np.testing.assert_allclose(frechet_distance_of_features(a, b), expected, rtol=1e-6)


def test_the_features_are_not_changed(random):
    a, b = random.normal(size=(2, 3, 8))
    before = a.copy(), b.copy()
    frechet_distance_of_features(a, b)
    np.testing.assert_array_equal((a, b), before)


def test_bad_features(random):
    good = random.normal(size=(5, 3))
    bad = {
        r"Received: features.shape=\(5,\)": good[:, 0],
        r"Received: features.shape=\(5, 0\)": good[:, :0],
        r"samples. Received: (count=1|features.shape=\(1, 3\))": good[:1],
        "Received: 1 of 15 values": np.where(np.arange(15).reshape(5, 3) == 7, np.nan, good),
        "Received: 15 of 15 values": good * np.inf,
    }
    for message, features in bad.items():
        with pytest.raises(ValueError, match=message):
            moments(features)
        with pytest.raises(ValueError, match=message):
            frechet_distance_of_features(good, features)
    with pytest.raises(ValueError, match="Received: 3 and 2"):
        frechet_distance_of_features(good, good[:, :2])


@pytest.mark.parametrize("largest", [1.0, 1e5])
def test_a_covariance_is_symmetric_but_for_rounding(largest):
    """Those of float32 are not exactly: a millionth of the largest value is the limit."""
    mean, covariance = np.zeros(2), np.eye(2) * largest
    covariance[0, 1] = 0.9e-6 * largest
    assert frechet_distance(mean, covariance, mean, covariance) < 1e-5 * largest
    covariance[0, 1] = 1.1e-6 * largest
    with pytest.raises(ValueError, match="cov_a.*symmetric. Received: asymmetry=(1.1e-06|0.11)"):
        frechet_distance(mean, covariance, mean, covariance)


@pytest.mark.parametrize("rows, d, rank", [(9, 64, 64), (2000, 64, 3), (300, 200, 20)])
def test_covariances_of_few_samples_and_of_float32_are_some(random, rows, d, rank):
    """Their variances of zero are below it by rounding; sums of squares round the most."""
    features = random.normal(size=(rows, rank)) @ random.normal(size=(rank, d)) + 3
    low = features.astype(np.float32)
    mean = low.mean(0)
    of_squares = low.T @ low / np.float32(rows) - np.outer(mean, mean)
    computed = {
        "float64": np.cov(features.T),
        "rounded": np.cov(features.T).astype(np.float32),
        "float32": np.cov(low.T, dtype=np.float32),
        "of squares": (of_squares + of_squares.T) / 2,
    }
    assert np.linalg.eigvalsh(computed["of squares"])[0] < 0
    for covariance in computed.values():
        distance = frechet_distance(mean, covariance, mean, covariance)
        assert 0 <= distance < 1e-3 * np.trace(covariance)
    assert frechet_distance(mean, np.zeros([d, d]), mean, np.zeros([d, d])) == 0


def test_a_distance_that_is_clearly_negative_is_refused():
    """Each variance is below zero by no more than rounding, and all of them by more."""
    d = 200
    basis = np.linalg.qr(np.column_stack([np.ones(d), np.eye(d)[:, 1:]]))[0]
    covariance = basis * np.array([1.0] + [-9e-5] * (d - 1)) @ basis.T
    with pytest.raises(ValueError, match="finite and at least 0.* Received: -0.03"):
        frechet_distance(np.zeros(d), covariance, np.zeros(d), covariance)


def test_by_factor_the_other_covariance_is_checked(random):
    rows = random.normal(size=(3, 8))
    with pytest.raises(ValueError, match="cov_b.*no variance below zero. Received: -1"):
        distance_by_factor(rows.mean(0), factor(rows), np.zeros(8), -np.eye(8))


def test_bad_moments():
    mean, covariance = np.zeros(2), np.eye(2)
    bad = {
        r"cov_b.*Received: mean.shape=\(2,\), covariance.shape=\(3, 3\)": (mean, np.eye(3)),
        r"Received: mean.shape=\(1, 2\)": (mean[None], covariance),
        "Received: 3 and 2|Received: 2 and 3": (np.zeros(3), np.eye(3)),
        "mean_b.*Received: 1 of 2 values": (np.array([0, np.inf]), covariance),
        "cov_b.*Received: 4 of 4 values": (mean, covariance * np.nan),
        "cov_b.*symmetric. Received: asymmetry=1": (mean, np.array([[1.0, 1], [0, 1]])),
        "cov_b.*no variance below zero. Received: -1$": (mean, -covariance),
        "cov_b.*no variance below zero. Received: -1e-09": (mean, np.diag([1, -1e-9])),
        "cov_b.*no variance below zero. Received: -2$": (mean, np.array([[1.0, 3], [3, 1]])),
        "mean_b.*no values beyond 1e.100.*Received: 1e.200": (mean - 1e200, covariance),
        "cov_b.*no values beyond 1e.100.*Received: 1e.300": (mean, covariance * 1e300),
    }
    for message, gaussian in bad.items():
        with pytest.raises(ValueError, match=message):
            frechet_distance(mean, covariance, *gaussian)


@pytest.mark.parametrize("n_a, n_b", [(7, 9), (9, 200), (7, 24)])
def test_by_factor_against_scipy(random, n_a, n_b):
    a = random.normal(size=(n_a, 24)) @ _covariance(random, 24)
    b = random.normal(size=(n_b, 24)) @ _covariance(random, 24) + 0.3
    mean, covariance = moments(b)
    expected = _by_nonsymmetric_roots(*moments(a), mean, covariance)
    by_covariance = distance_by_factor(a.mean(0), factor(a), mean, covariance)
    by_factors = distance_by_factor(a.mean(0), factor(a), mean, factor_b=factor(b))
    np.testing.assert_allclose(by_covariance, expected, rtol=1e-6)
    np.testing.assert_allclose(by_factors, by_covariance, rtol=1e-11)


def _by_nonsymmetric_roots(mean_a, cov_a, mean_b, cov_b):
    """By SciPy's eigenvalues of the product: its square root of a singular matrix is not exact."""
    values = scipy.linalg.eigvals(cov_a @ cov_b).real
    trace = np.sqrt(np.maximum(values, 0)).sum()
    return np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a + cov_b) - 2 * trace
