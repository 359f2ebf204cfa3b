"""What the spread over seeds allows to say of a difference."""

import math
import statistics


def mean_and_deviation(values):
    """As papers print them, in as many places: 70.88 ± 0.31; of less than two values None."""
    if len(values) < 2:
        return None
    mean = f"{statistics.mean(values):#.4g}"
    return f"{mean} ± {statistics.stdev(values):.{len(mean.partition('.')[2])}f}"


def difference(values, base):
    """How much more the mean of some values is than that of others.

    Args:
        values: list of numbers, one of each seed.
        base: likewise, of what they are compared with; as many or not.

    Returns:
        (difference, low, high): its 95 % confidence interval by Welch's t-test, which does not take
        the two to spread alike. None if there are less than two values on a side.
    """
    from scipy import stats

    if len(values) < 2 or len(base) < 2:
        return None
    mean = statistics.mean(values) - statistics.mean(base)
    if not statistics.variance(values) + statistics.variance(base):
        return mean, mean, mean  # no spread: SciPy has no interval
    interval = stats.ttest_ind(values, base, equal_var=False).confidence_interval(0.95)
    return mean, float(interval.low), float(interval.high)


def ratio(values, base):
    """Likewise the ratio of geometric means, of positive numbers: (ratio, low, high)."""
    logarithms = difference([math.log(v) for v in values], [math.log(v) for v in base])
    return logarithms and tuple(map(math.exp, logarithms))


def shown(interval, none):
    """An interval as a text, and whether it tells the two apart.

    Args:
        interval: of `difference` or `ratio`, or None.
        none: the value that is no difference: 0 or 1.

    Returns:
        (text, tells): "0.85 (0.70 to 1.03)" and "no", "less" or "more"; (None, None) of None.
    """
    if interval is None:
        return None, None
    middle, low, high = interval
    tells = "less" if high < none else "more" if low > none else "no"
    return f"{middle:.3g} ({low:.3g} to {high:.3g})", tells
