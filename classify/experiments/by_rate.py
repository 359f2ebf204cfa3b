"""Accuracies of runs at several learning rates, over seeds: rows of tables, and the best rate."""

import math
import statistics

from classify.experiments.trained import accuracy
from harness.experiments.compared import difference, mean_and_deviation, shown


def row(outcomes):
    """What runs that differ by their seed came to: cells of a row, a dict."""
    there = _accuracies(outcomes)
    return {
        "mean accuracy, %": statistics.mean(there) if there else None,
        "standard deviation": statistics.stdev(there) if len(there) > 1 else None,
        "mean ± deviation": mean_and_deviation(there),
        "least, %": min(there, default=None),
        "greatest, %": max(there, default=None),
        "runs": len(outcomes),
        "diverged": len(outcomes) - len(there),
    }


def best(by_rate):
    """The learning rate whose mean accuracy is best, of a dict from rates to outcomes."""
    return max(by_rate, key=lambda rate: _mean(by_rate[rate]) or -math.inf)


def beside(outcomes, base):
    """How many points more accurate runs are than others, and whether seeds allow to say so."""
    text, tells = shown(difference(_accuracies(outcomes), _accuracies(base)), 0.0)
    return {"more than bn (95 %)": text, "differs from bn": tells}


def _accuracies(outcomes):
    return [value for value in map(accuracy, outcomes) if value is not None]


def _mean(outcomes):
    """The mean accuracy; a run that has diverged has answered nothing, and counts as 0."""
    return statistics.mean(accuracy(outcome) or 0.0 for outcome in outcomes)
