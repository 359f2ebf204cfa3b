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
    return mean_difference([(values, base)])


def mean_difference(pairs):
    """The mean of several differences: what a change makes, whatever else is chosen.

    Each is of seeds of its own, so that variances add up; degrees of freedom are Satterthwaite's.

    Args:
        pairs: list of (values, base), each as `difference` takes them.

    Returns:
        As `difference`: None if a side of a pair has less than two values, or there is no pair.
    """
    from scipy import stats

    sides = [side for pair in pairs for side in pair]
    if not sides or min(map(len, sides)) < 2:
        return None
    mean = statistics.mean(statistics.mean(a) - statistics.mean(b) for a, b in pairs)
    parts = [statistics.variance(side) / len(side) for side in sides]
    if not any(parts):
        return mean, mean, mean  # no spread, and no degrees of freedom
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True)
    )
    half = float(stats.t.ppf(0.975, freedom)) * math.sqrt(sum(parts)) / len(pairs)
    return mean, mean - half, mean + half


def ratio(values, base):
    """As `difference` the ratio of geometric means, of positive numbers: (ratio, low, high)."""
    return mean_ratio([(values, base)])


def mean_ratio(pairs):
    """As `mean_difference` the geometric mean of several ratios; None with a value that is 0."""
    if any(value <= 0 for pair in pairs for side in pair for value in side):
        return None
    logarithms = mean_difference(
        [tuple([math.log(value) for value in side] for side in pair) for pair in pairs]
    )
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
