"""The conditioning of an output: how white it is."""

import typing

import numpy as np
import numpy.typing as npt

from tfnorm.analysis import checks
from tfnorm.layers import arguments


class Conditioning(typing.NamedTuple):
    """Measures of how white a group of channels is.

    ```python
    from tfnorm.analysis.conditioning import conditioning

    (white,) = conditioning(np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]))
    assert (white.condition_number, white.deviation) == (1.0, 0.0)
    ```

    Attributes:
        eigenvalues: of the covariance, ascending, (channels of the group,); all 1 if white.
        condition_number: the largest over the smallest, 1 if white. Infinite where the smallest
            is 0 up to rounding, as of no more rows than channels.
        deviation: the largest |covariance - identity| of any entry, 0 if white.
    """

    eigenvalues: np.ndarray
    condition_number: float
    deviation: float


def conditioning(rows: npt.ArrayLike, group_size: int | None = None) -> list[Conditioning]:
    """Measures how white each group of channels is: of a whitening's output, how well it whitened.

    The covariance is of all rows, divided by n, in float64 whatever comes in. Epsilon is part of
    the whitening, and so in what is measured: an eigenvalue l that is whitened exactly becomes
    l / (l + epsilon).

    ```python
    from tfnorm.analysis.conditioning import conditioning

    rows = np.random.normal(size=(1000, 4)) * [1, 1, 1, 10]
    first, second = conditioning(rows, group_size=2)
    assert first.condition_number < 2 < 50 < second.condition_number
    ```

    Args:
        rows: (n, channels), or maps (n, ..., channels), of which each position is a row.
        group_size: channels in a group; None is one group. The last takes what is left over.

    Returns:
        A list of a `Conditioning` for each group.
    """
    arguments.check_group_size(group_size)
    values = checks.samples(rows, "rows")
    values = values.reshape(-1, values.shape[-1])
    centred = values - values.mean(0)
    channels = centred.shape[1]
    size = group_size or channels
    return [_conditioning(centred[:, start : start + size]) for start in range(0, channels, size)]


def _conditioning(centred: np.ndarray) -> Conditioning:
    covariance = centred.T @ centred / len(centred)
    eigenvalues = np.linalg.eigvalsh(covariance)
    least, largest = eigenvalues[[0, -1]]
    singular = least <= len(eigenvalues) * np.finfo(np.float64).eps * largest
    return Conditioning(
        eigenvalues,
        float("inf") if singular else float(largest / least),
        float(abs(covariance - np.eye(len(covariance))).max()),
    )
