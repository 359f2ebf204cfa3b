"""Turns and ratios; no times."""

import pytest

from tfnorm.benchmark import timing


def test_calls_take_turns(monkeypatch):
    ticks = iter([0, 2, 10, 16, 20, 23, 30, 42])  # start and end of each timed call
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks))
    called = []
    calls = {name: lambda name=name: called.append(name) for name in "ab"}
    assert timing.interleaved(calls, rounds=2) == {"a": [2, 3], "b": [6, 12]}
    assert "".join(called) == "aabb" + "abab"


def test_a_ratio_is_the_median_over_rounds_with_its_percentiles():
    assert timing.ratio([2.0, 30.0, 1.0], [1.0, 10.0, 1.0]).median == 2.0
    # The unit doubles from round to round, and so does what is divided by it.
    unit = [2.0**turn for turn in range(11)]
    ratio = timing.ratio([turn * unit[turn] for turn in range(11)], unit)
    assert ratio == pytest.approx((5.0, 1.0, 9.0))
    assert timing.ratio([3.0], [2.0]) == (1.5, 1.5, 1.5)
