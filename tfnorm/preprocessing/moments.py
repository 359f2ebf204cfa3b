"""Mean and covariance of data that is larger than memory, in float64."""

import numpy as np


class Moments:
    """The count, mean and covariance of all rows so far, merged batch by batch.

    Each batch is centred by its own mean, and two parts are merged as Chan, Golub and LeVeque,
    "Algorithms for Computing the Sample Variance", The American Statistician 37, 1983, equation
    (2.1): no digits are lost to a mean that is large for the deviations, nor to the order.

    Args:
        size: of a row.

    Attributes:
        count: of the rows.
        mean: (size,), float64.
        scatter: (size, size), float64, the sum of (row - mean) (row - mean)^T.
    """

    def __init__(self, size: int) -> None:
        self.count = 0
        self.mean = np.zeros(size)
        self.scatter = np.zeros((size, size))

    def add(self, rows: np.ndarray) -> None:
        """Adds rows (n, size)."""
        count = self.count + len(rows)
        if not len(rows):
            return
        rows = rows.astype(np.float64)
        mean = rows.mean(0)
        centred = rows - mean
        step = mean - self.mean
        weight = self.count * len(rows) / count
        self.scatter += centred.T @ centred + weight * np.outer(step, step)
        self.mean = self.mean + step * (len(rows) / count)
        self.count = count

    def covariance(self, ddof: int = 0) -> np.ndarray:
        """The covariance (size, size), divided by `count - ddof`, as `numpy.cov` has it."""
        return self.scatter / (self.count - ddof)
