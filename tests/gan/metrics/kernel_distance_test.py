import numpy as np
import pytest
import tensorflow as tf

from gan.metrics.kernel_distance import kernel_distance, squared_mmd
from gan.tfgan import tfgan


@pytest.fixture
def random():
    return np.random.default_rng(0)


def _brute_force(a, b):
    """A pair at a time."""

    def kernel(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(rows):
        pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
        return np.mean([kernel(rows[i], rows[j]) for i, j in pairs])

    return within(a) + within(b) - 2 * np.mean([kernel(x, y) for x in a for y in b])


@pytest.mark.parametrize("n_a, n_b", [(2, 2), (7, 7), (9, 4)])
def test_against_pairs(random, n_a, n_b):
    a, b = random.normal(size=(n_a, 5)), random.normal(size=(n_b, 5)) * 1.3 + 0.4
    np.testing.assert_allclose(squared_mmd(a, b), _brute_force(a, b), rtol=1e-12)
    np.testing.assert_allclose(squared_mmd(b, a), squared_mmd(a, b), rtol=1e-12)


def test_against_tensorflow_gan(random):
    a, b = random.normal(size=(40, 6)), random.normal(size=(40, 6)) + 0.2

    def theirs(**options):
        return tfgan.eval.kernel_classifier_distance_and_std_from_activations(
            tf.constant(a), tf.constant(b), **options
        )

    whole = theirs(max_block_size=40)[0].numpy()
    assert whole.dtype == np.float64
    mean, deviation = kernel_distance(a, b)
    np.testing.assert_allclose(mean, whole, rtol=1e-10)
    assert np.isnan(deviation)
    # Its blocks are consecutive rows, its second number the standard error of their mean.
    blocks = [squared_mmd(a[i : i + 10], b[i : i + 10]) for i in range(0, 40, 10)]
    expected = np.mean(blocks), np.std(blocks, ddof=1) / 2
    in_blocks = [value.numpy() for value in theirs(max_block_size=10)]
    np.testing.assert_allclose(in_blocks, expected, rtol=1e-10)


def test_it_is_unbiased(random):
    """Over many draws from one distribution, the mean is zero, and the biased estimate is not."""
    estimates = [squared_mmd(*random.normal(size=(2, 8, 4))) for _ in range(400)]
    error = np.std(estimates) / 20
    assert abs(np.mean(estimates)) < 4 * error
    assert min(estimates) < 0
    diagonal = 2 * np.mean((np.sum(random.normal(size=(1000, 4)) ** 2, 1) / 4 + 1) ** 3) / 8
    assert diagonal > 10 * error


def test_subsets(random):
    a, b = random.normal(size=(300, 4)), random.normal(size=(200, 4)) + 0.5
    mean, deviation = kernel_distance(a, b, subsets=40, subset_size=50)
    np.testing.assert_allclose(mean, squared_mmd(a, b), atol=5 * deviation / np.sqrt(40))
    assert 0 < deviation < mean
    assert kernel_distance(a, b, subsets=40, subset_size=50) == (mean, deviation)
    assert kernel_distance(a, b, subsets=40, subset_size=50, seed=1)[0] != mean
    assert np.isnan(kernel_distance(a, b, subsets=1, subset_size=50)[1])


def test_a_subset_is_as_many_rows_as_there_are(random):
    a, b = random.normal(size=(300, 4)), random.normal(size=(20, 4))
    distance = kernel_distance(a, b, subsets=5)
    assert distance == kernel_distance(a, b, subsets=5, subset_size=20)
    # All of b, and 20 rows of a.
    draws = np.random.default_rng(0)
    expected = [squared_mmd(a[draws.choice(300, 20, replace=False)], b) for _ in range(5)]
    np.testing.assert_allclose(distance, (np.mean(expected), np.std(expected, ddof=1)), rtol=1e-12)


def test_mistakes(random):
    a = random.normal(size=(6, 3))
    bad = np.where(np.arange(18).reshape(6, 3) == 4, np.nan, a)
    mistakes = {
        "Received: subsets=0, subset_size=1000": lambda: kernel_distance(a, a, subsets=0),
        "Received: subsets=100, subset_size=1": lambda: kernel_distance(a, a, subset_size=1),
        r"features_a.*Received: features.shape=\(1, 3\)": lambda: kernel_distance(a[:1], a),
        r"features_b.*Received: features.shape=\(6,\)": lambda: squared_mmd(a, a[:, 0]),
        # Wherever it is, not only if it is drawn.
        "Received: 1 of 18 values": lambda: kernel_distance(a, bad, subsets=1, subset_size=2),
        "Received: 3 and 2": lambda: kernel_distance(a, a[:, :2]),
        "must be finite: .* too large .*Received: nan": lambda: squared_mmd(a * 1e60, a),
    }
    for message, call in mistakes.items():
        with pytest.raises(ValueError, match=message):
            call()
