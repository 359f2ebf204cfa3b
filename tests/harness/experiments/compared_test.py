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
