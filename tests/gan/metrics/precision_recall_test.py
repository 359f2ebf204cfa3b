import tracemalloc

import numpy as np
import pytest

from gan.metrics.precision_recall import precision_recall


@pytest.fixture
def random():
    return np.random.default_rng(0)


def _brute_force(generated, real, k):
    """The paper's equations, a pair at a time."""

    def distance(x, y):
        return np.sqrt(sum((p - q) ** 2 for p, q in zip(x, y, strict=True)))

    def radius(rows, i):
        return sorted(distance(rows[i], rows[j]) for j in range(len(rows)) if j != i)[k - 1]

    def share_inside(queries, rows):
        balls = [(row, radius(rows, i)) for i, row in enumerate(rows)]
        inside = [any(distance(x, row) <= r for row, r in balls) for x in queries]
        return np.mean(inside)

    return share_inside(generated, real), share_inside(real, generated)


@pytest.mark.parametrize("block", [1, 7, 16, 1024])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_against_pairs(random, k, block):
    generated, real = random.normal(size=(30, 4)), random.normal(size=(37, 4)) + 0.9
    expected = _brute_force(generated, real, k)
    assert 0 < min(expected) and max(expected) < 1 and expected[0] != expected[1]
    assert precision_recall(generated, real, k, block) == expected


def test_a_large_mean_keeps_the_digits(random):
    # |x|^2 + |y|^2 - 2 x.y of rows as they are would be wrong by about 0.1.
    generated, real = random.normal(size=(2, 40, 6)) + 1e7
    expected = _brute_force(generated, real, 3)
    assert 0 < min(expected) and max(expected) < 1
    assert precision_recall(generated, real) == expected


def test_float32(random):
    generated, real = random.normal(size=(2, 40, 6)).astype(np.float32)
    expected = precision_recall(generated.astype(np.float64), real.astype(np.float64))
    assert precision_recall(generated, real) == expected


def test_equal_sets(random):
    rows = random.normal(size=(50, 300))
    assert precision_recall(rows, rows) == (1, 1)
    assert precision_recall(random.permutation(rows) * 1e5, rows * 1e5, block=8) == (1, 1)


def test_far_sets(random):
    rows = random.normal(size=(50, 8))
    assert precision_recall(rows + 100, rows) == (0, 0)


def test_a_subset_and_a_collapse(random):
    rows = random.normal(size=(60, 5))
    precision, recall = precision_recall(rows[:20], rows)
    assert precision == 1 and recall >= 1 / 3
    for scale in (1, 1e-4, 1e6):
        collapsed = np.repeat(rows[:1], 20, 0) * scale
        assert precision_recall(collapsed, rows * scale) == (1, 1 / 60)
    assert precision_recall(np.zeros([5, 2]), np.zeros([6, 2])) == (1, 1)


@pytest.mark.parametrize("block", [7, 1024])
def test_balls_of_radius_zero(random, block):
    # By rounding, some rows would be outside the ball of their own duplicate.
    rows = random.normal(size=(60, 300))
    assert precision_recall(np.repeat(rows, 5, 0), rows, block=block) == (1, 1)
    assert precision_recall(rows, np.repeat(rows, 5, 0), block=block) == (1, 1)


def test_memory_is_that_of_blocks(random):
    generated, real = random.normal(size=(2, 600, 30)).astype(np.float32)
    tracemalloc.start()
    try:
        precision_recall(generated, real, block=32)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 600 * 600 * 4 / 5  # a matrix of distances, in float32


def test_mistakes(random):
    rows = random.normal(size=(6, 3))
    bad = np.where(np.arange(18).reshape(6, 3) == 4, np.inf, rows)
    mistakes = {
        "Received: neighbours=0, block=1024": lambda: precision_recall(rows, rows, 0),
        "Received: neighbours=3, block=0": lambda: precision_recall(rows, rows, block=0),
        r"`real` .* 4 samples. Received: features.shape=\(3, 3\)": lambda: precision_recall(
            rows, rows[:3]
        ),
        r"`generated` .* 7 samples. Received: features.shape=\(6, 3\)": lambda: precision_recall(
            rows, rows, neighbours=6
        ),
        "`generated` must be finite. Received: 1 of 18": lambda: precision_recall(bad, rows),
        "Received: 3 and 2": lambda: precision_recall(rows, rows[:, :2]),
    }
    for message, call in mistakes.items():
        with pytest.raises(ValueError, match=message):
            call()
