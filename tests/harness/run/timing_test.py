"""How long a run waits for its data."""

from harness.run import timing


def test_waiting_is_the_time_of_all_but_the_first(monkeypatch):
    ticks = iter([0, 200, 203, 300, 304])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks))
    waiting = timing.Waiting(iter("abc"))
    assert list(zip(range(3), waiting, strict=False)) == [(0, "a"), (1, "b"), (2, "c")]
    assert waiting.seconds == 7
