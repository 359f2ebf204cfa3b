"""The whitenings of data by given statistics, each with what undoes it: NumPy, float64.

Reference: Kessy, Lewin and Strimmer, "Optimal Whitening and Decorrelation", The American
Statistician 72, 2018, https://arxiv.org/abs/1512.00809, table 1: with a covariance S = V^1/2 P
V^1/2, V its diagonal and P the correlation, all W with W S W^T = I, up to a rotation.
"""

import typing
from collections.abc import Callable

import numpy as np


class Kernel(typing.NamedTuple):
    """A whitening `y = W (x - mean)` and its inverse `x = inverse y + mean`.

    Attributes:
        matrix: W, (components, size).
        inverse: (size, components), the pseudo-inverse of W.
        variances: (components,), without epsilon: of a PCA's components, which are eigenvalues,
            and else of the features.
    """

    matrix: np.ndarray
    inverse: np.ndarray
    variances: np.ndarray


def _pca(covariance: np.ndarray, epsilon: float, components: int) -> Kernel:
    values, vectors, roots = _eigh(covariance, epsilon)
    order = np.argsort(values)[::-1][:components]
    rows = _signed(vectors[:, order].T)
    return Kernel(rows / roots[order, np.newaxis], rows.T * roots[order], values[order])


def _zca(covariance: np.ndarray, epsilon: float, components: int) -> Kernel:
    values, vectors, roots = _eigh(covariance, epsilon)
    matrix, inverse = ((vectors * power) @ vectors.T for power in (1.0 / roots, roots))
    return Kernel(matrix, inverse, np.diag(covariance).copy())


def _cd(covariance: np.ndarray, epsilon: float, components: int) -> Kernel:
    values, vectors, roots = _eigh(covariance, epsilon)
    # The triangular factor of S + epsilon I, by QR of a root, which there is for a singular S too.
    _, upper = np.linalg.qr(roots[:, np.newaxis] * vectors.T)
    lower = (upper * np.where(np.diag(upper) < 0, -1.0, 1.0)[:, np.newaxis]).T
    return Kernel(np.linalg.inv(lower), lower, np.diag(covariance).copy())


def _of_correlations(function: Callable[[np.ndarray, float, int], Kernel]):
    """The same of the correlation: the data are divided by their deviations first."""

    def kernel(covariance: np.ndarray, epsilon: float, components: int) -> Kernel:
        deviations = np.sqrt(np.diag(covariance))
        # What is constant is 0 after centring, whatever it is divided by.
        deviations = np.where(deviations > 0, deviations, 1.0)
        correlation = covariance / np.outer(deviations, deviations)
        matrix, inverse, variances = function(correlation, epsilon, components)
        if function is not _pca:
            variances = variances * deviations**2
        return Kernel(matrix / deviations, inverse * deviations[:, np.newaxis], variances)

    return kernel


KERNELS: dict[str, Callable[[np.ndarray, float, int], Kernel]] = {
    "zca": _zca,
    "pca": _pca,
    "cd": _cd,
    "zca_cor": _of_correlations(_zca),
    "pca_cor": _of_correlations(_pca),
}
# Those whose components have an order, of which the first can be taken.
ORDERED = ("pca", "pca_cor")


def _eigh(covariance: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues ascending, eigenvectors, and the roots of the eigenvalues of S + epsilon I.

    No root is of less than float64 resolves of the covariance: below it is rounding's.
    """
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0)
    resolved = len(values) * np.finfo(np.float64).eps * values[-1]
    roots = np.sqrt(np.maximum(values + epsilon, resolved))
    return values, vectors, np.where(roots > 0, roots, 1.0)


def _signed(rows: np.ndarray) -> np.ndarray:
    """Rows turned so that the largest entry of each is positive."""
    largest = np.take_along_axis(rows, np.abs(rows).argmax(1)[:, np.newaxis], 1)
    return rows * np.where(largest < 0, -1.0, 1.0)
