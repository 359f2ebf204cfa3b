"""What is said of a difference between seeds, against the textbook's formulas."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.experiments import compared


def welch(a, b):
    """By the formulas of Welch, 1947, with Satterthwaite's degrees of freedom."""
    (a, u), (b, v) = ((np.mean(x), np.var(x, ddof=1) / len(x)) for x in map(np.asarray, (a, b)))
    return a - b, u, v


def test_a_difference_has_welchs_interval():
    a, b = [3.0, 4.0, 5.5], [1.0, 1.2, 0.7, 1.9]
    mean, u, v = welch(a, b)
    freedom = (u + v) ** 2 / (u**2 / (len(a) - 1) + v**2 / (len(b) - 1))
    half = stats.t.ppf(0.975, freedom) * math.sqrt(u + v)
    assert compared.difference(a, b) == pytest.approx((mean, mean - half, mean + half))


def test_a_difference_is_scipys():
    a, b = [3.0, 4.0, 5.5], [1.0, 1.2, 0.7, 1.9]
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert compared.difference(a, b)[1:] == pytest.approx((interval.low, interval.high))


def test_the_mean_of_differences_covers_what_it_says():
    """Of 2,000 draws with another level and spread in each pair, 95 % have the true difference."""
    rng = np.random.default_rng(0)
    levels, spreads = np.array([1.0, 5.0, 9.0]), np.array([0.2, 1.0, 0.5])
    inside = 0
    for _ in range(2_000):
        values, base = rng.standard_normal([2, 4, 3]) * spreads + levels
        pairs = list(zip((values + 0.7).T.tolist(), base.T.tolist(), strict=True))
        mean, low, high = compared.mean_difference(pairs)
        assert mean == pytest.approx(np.mean(values + 0.7 - base))
        inside += low < 0.7 < high
    assert inside / 2_000 == pytest.approx(0.95, abs=0.015)


def test_the_mean_of_ratios_is_the_geometric_one():
    one, two = ([4.0, 5.0], [2.0, 2.5]), ([9.0, 10.0, 11.0], [3.0, 3.1])
    singles = [compared.ratio(*pair)[0] for pair in (one, two)]
    middle, low, high = compared.mean_ratio([one, two])
    assert middle == pytest.approx(math.sqrt(singles[0] * singles[1]))
    assert low < middle < high
    assert compared.mean_ratio([]) is None
    assert compared.ratio([1.0, 0.0], [1.0, 2.0]) is None
    assert compared.mean_ratio([one, ([1.0], [2.0, 3.0])]) is None


def test_a_ratio_is_the_difference_of_logarithms():
    a, b = [30.0, 41.0, 52.0], [10.0, 11.0, 12.0]
    expected = np.exp(compared.difference(np.log(a).tolist(), np.log(b).tolist()))
    assert compared.ratio(a, b) == pytest.approx(tuple(expected))
    assert compared.ratio(a, b)[0] == pytest.approx(stats.gmean(a) / stats.gmean(b))


@pytest.mark.parametrize(
    ("values", "base", "tells"),
    [
        ([5.0, 5.1, 5.2], [1.0, 1.1, 1.2], "more"),
        ([1.0, 1.1, 1.2], [5.0, 5.1, 5.2], "less"),
        ([1.0, 2.0, 3.0], [1.5, 2.0, 3.5], "no"),
        ([2.0, 2.0], [1.0, 1.0], "more"),
    ],
)
def test_what_is_told_of_two(values, base, tells):
    text, told = compared.shown(compared.difference(values, base), 0.0)
    assert told == tells
    assert text.startswith(f"{np.mean(values) - np.mean(base):.3g} (")


def test_of_one_seed_nothing_is_told():
    assert compared.shown(compared.difference([1.0], [2.0, 3.0]), 0.0) == (None, None)
    assert compared.ratio([1.0, 2.0], []) is None
    assert compared.mean_and_deviation([1.0]) is None
    assert compared.mean_and_deviation([70.5, 71.0]) == "70.75 ± 0.35"
