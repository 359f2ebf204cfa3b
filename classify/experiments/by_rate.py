"""Accuracies of runs at several learning rates, over seeds: rows of tables, and the best rate."""

import math
import statistics

from classify.experiments.trained import accuracy
from harness.experiments.compared import difference, mean_and_deviation, shown


def at_best(runs, name, base, more=lambda outcomes: {}):
    """Rows of what is compared, each at its best learning rate, and beside another at its own.

    Args:
        runs: dict from what is compared to a dict from learning rates to outcomes.
        name: function from what is compared to the cells that name it, a dict.
        base: likewise to what it is compared with; what is compared with itself has no more.
        more: function from the outcomes at the best rate to further cells.
    """
    rows = []
    for key, by_rate in runs.items():
        rate, other = best(by_rate), runs.get(base(key), {}) if base(key) != key else {}
        rows.append(
            _row(name(key), rate, by_rate[rate])
            | _beside(by_rate[rate], other[best(other)] if other else [])
            | more(by_rate[rate])
        )
    return rows


def at_all(runs, name):
    """Rows of what is compared, likewise, at each learning rate in turn."""
    return [
        _row(name(key), rate, outcomes)
        for key, by_rate in runs.items()
        for rate, outcomes in sorted(by_rate.items())
    ]


def best(by_rate):
    """The learning rate whose mean accuracy is best, of a dict from rates to outcomes."""
    return max(by_rate, key=lambda rate: _mean(by_rate[rate]) or -math.inf)


def _row(name, rate, outcomes):
    """What runs that differ by their seed came to: cells of a row, a dict."""
    there = _accuracies(outcomes)
    return name | {
        "learning rate": rate,
        "mean accuracy, %": statistics.mean(there) if there else None,
        "standard deviation": statistics.stdev(there) if len(there) > 1 else None,
        "mean ± deviation": mean_and_deviation(there),
        "least, %": min(there, default=None),
        "greatest, %": max(there, default=None),
        "runs": len(outcomes),
        "diverged": len(outcomes) - len(there),
    }


def _beside(outcomes, base):
    """How many points more accurate runs are than others, and whether seeds allow to say so."""
    text, tells = shown(difference(_accuracies(outcomes), _accuracies(base)), 0.0)
    return {"more than bn (95 %)": text, "differs from bn": tells}


def _accuracies(outcomes):
    return [value for value in map(accuracy, outcomes) if value is not None]


def _mean(outcomes):
    """The mean accuracy; a run that has diverged has answered nothing, and counts as 0."""
    return statistics.mean(accuracy(outcome) or 0.0 for outcome in outcomes)
