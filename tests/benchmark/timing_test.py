"""Turns and ratios; no times."""

from tfnorm.benchmark import timing


def test_calls_take_turns(monkeypatch):
    ticks = iter([0, 2, 10, 16, 20, 23, 30, 42])  # start and end of each timed call
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks))
    called = []
    calls = {name: lambda name=name: called.append(name) for name in "ab"}
    assert timing.interleaved(calls, rounds=2) == {"a": [2, 3], "b": [6, 12]}
    assert "".join(called) == "aabb" + "abab"


def test_ratio_is_the_median_over_rounds():
    assert timing.ratio([2.0, 30.0, 1.0], [1.0, 10.0, 1.0]) == 2.0
