"""Times calls against each other on a machine whose speed drifts."""

import statistics
import time


def interleaved(calls, rounds):
    """Times calls in turns, so that a drift of the machine's speed favours none.

    Args:
        calls: dict from a name to a function without arguments.
        rounds: turns that each gets, after two that are not timed.

    Returns:
        A dict from each name to its `rounds` times, in seconds.
    """
    for call in calls.values():
        call()
        call()
    seconds = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds, baseline):
    """The median of the ratios of times of the same round."""
    return statistics.median(a / b for a, b in zip(seconds, baseline, strict=True))


class Waiting:
    """An iterator that knows how long it was waited for.

    Attributes:
        seconds: spent in `next`, but for the first, which starts the pipeline.
    """

    def __init__(self, iterator):
        self._iterator = iterator
        self._started = False
        self.seconds = 0.0

    def __iter__(self):
        return self

    def __next__(self):
        start = time.perf_counter()
        value = next(self._iterator)
        if self._started:
            self.seconds += time.perf_counter() - start
        self._started = True
        return value
