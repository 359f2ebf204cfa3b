"""Times calls against each other on a machine whose speed drifts."""

import time
import typing
from collections.abc import Callable, Sequence

import numpy as np

_Name = typing.TypeVar("_Name")


class Ratio(typing.NamedTuple):
    """Ratios of times of the same round: their median, 10th and 90th percentile."""

    median: float
    low: float
    high: float


def interleaved(
    calls: dict[_Name, Callable[[], typing.Any]], rounds: int
) -> dict[_Name, list[float]]:
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


def ratio(seconds: Sequence[float], unit: Sequence[float]) -> Ratio:
    """Divides times by the unit's of the same round."""
    ratios = np.divide(seconds, unit)
    return Ratio(*(float(value) for value in np.percentile(ratios, [50, 10, 90])))
