"""The Fréchet distance between two sets of features, in NumPy and float64.

Of two Gaussians with means m and covariances S:

    d = |m_a - m_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a S_b)^{1/2})

This is the squared distance, as in the literature on generative models. Covariances are unbiased.

Reference: Dowson and Landau, "The Fréchet Distance between Multivariate Normal Distributions",
Journal of Multivariate Analysis 12, 1982, https://doi.org/10.1016/0047-259X(82)90077-X. Of the
features of images: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
Nash Equilibrium", NIPS 2017, https://arxiv.org/abs/1706.08500, equation 6.
"""

import numpy as np

from gan.metrics import checks

# Of a distance, over its greatest part; covariances may be of float32.
_ROUNDING = 1e-3


class Moments:
    """Mean and covariance of rows that come in parts; memory O(d^2), whatever their number.

    Two sets a and b have together

        mean = mean_a + (mean_b - mean_a) n_b / n
        M = M_a + M_b + (mean_b - mean_a)(mean_b - mean_a)^T n_a n_b / n,

    with M the sum of the outer products of the centred rows: nothing large is subtracted from
    something large, as it is in E(x x^T) - mean mean^T.

    Reference: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
    Sample Variances", 1979, http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf,
    equation 2.1.
    """

    def __init__(self):
        self.count = 0
        self._mean = None
        self._scatter = None

    def update(self, rows):
        """Adds rows, (m, d), m at least 1, finite."""
        mean, centered = _centered(rows)
        self._add(len(centered), mean, centered.T @ centered)

    def merge(self, other):
        """Adds the rows that another `Moments` has seen."""
        if other.count:
            self._add(other.count, other._mean, other._scatter)

    def result(self):
        """Gives the mean, float64 (d,), and the covariance, float64 (d, d), over n - 1."""
        if self.count < 2:
            raise ValueError(
                f"A covariance needs at least two samples. Received: count={self.count}"
            )
        return self._mean.copy(), self._scatter / (self.count - 1)

    def _add(self, count, mean, scatter):
        if not self.count:
            self._mean, self._scatter = np.zeros_like(mean), np.zeros_like(scatter)
        checks.same_width(len(self._mean), len(mean))
        total = self.count + count
        difference = mean - self._mean
        self._scatter += scatter
        self._scatter += np.outer(difference, difference * (self.count * count / total))
        self._mean += difference * (count / total)
        self.count = total


def moments(features):
    """Computes mean and unbiased covariance of the rows of `features`.

    Args:
        features: (n, d), one row a sample, n at least 2, finite.

    Returns:
        mean, float64 (d,), and covariance, float64 (d, d), over n - 1.

    Raises:
        ValueError: if `features` are of another shape, fewer than two, or not finite.
    """
    all_rows = Moments()
    all_rows.update(features)
    return all_rows.result()


def gaussian(mean, covariance, mean_name="mean", covariance_name="covariance"):
    """Checks the moments of a Gaussian, of any source, and gives them in float64.

    Args:
        mean: (d,).
        covariance: (d, d).
        mean_name, covariance_name: what an error calls them.

    Raises:
        ValueError: if they are of another shape, or there can be no such moments: a value is not
            finite, or too large for a distance of it, or the covariance is not symmetric, or has a
            variance below zero.
    """
    with np.errstate(over="ignore"):  # of longer numbers, which are infinite then
        mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    if mean.ndim != 1 or mean.size == 0 or covariance.shape != (mean.size, mean.size):
        raise ValueError(
            f"`{mean_name}` must be (d,) and `{covariance_name}` (d, d). "
            f"Received: {mean.shape=}, {covariance.shape=}"
        )
    checks.finite(mean, mean_name)
    checks.finite(covariance, covariance_name)
    checks.covariance(covariance, covariance_name)
    return mean, covariance


def trace_sqrt_product(cov_a, cov_b):
    """Computes tr((S_a S_b)^{1/2}) of two covariances, float64 (d, d), positive semidefinite.

    With S_a = F F^T, S_a S_b has the eigenvalues of the symmetric F^T S_b F; the square roots of
    those are summed. Eigenvalues that are zero but for rounding count as zero: their square roots,
    of about 1e-8, would otherwise add up.
    """
    values, vectors = np.linalg.eigh(cov_a)
    factor = vectors * np.sqrt(_nonnegative(values))
    product = factor.T @ cov_b @ factor
    return float(np.sum(np.sqrt(_nonnegative(np.linalg.eigvalsh((product + product.T) / 2)))))


def frechet_distance(mean_a, cov_a, mean_b, cov_b):
    """Computes the Fréchet distance (squared, see above) between two Gaussians.

    Args:
        mean_a, mean_b: (d,).
        cov_a, cov_b: (d, d), symmetric.

    Returns:
        The distance, a float of at least 0.

    Raises:
        ValueError: if shapes do not match, or a mean or a covariance is none, see `gaussian`.
    """
    mean_a, cov_a = gaussian(mean_a, cov_a, "mean_a", "cov_a")
    mean_b, cov_b = gaussian(mean_b, cov_b, "mean_b", "cov_b")
    checks.same_width(len(mean_a), len(mean_b))
    trace = trace_sqrt_product(cov_a, cov_b)
    return _distance(mean_a, np.trace(cov_a), mean_b, np.trace(cov_b), trace)


def frechet_distance_of_features(features_a, features_b):
    """Computes `frechet_distance` of the moments of two sets of features.

    Where a set has fewer rows than features, by factors: see `distance_by_factor`.

    Args:
        features_a: (n_a, d), n_a at least 2.
        features_b: (n_b, d), n_b at least 2.

    Returns:
        The distance, a float of at least 0.

    Raises:
        ValueError: if shapes do not match, a set has fewer than two rows, or a value is not finite.
    """
    mean_a, factor_a = _mean_and_factor(features_a)
    mean_b, factor_b = _mean_and_factor(features_b)
    checks.same_width(len(mean_a), len(mean_b))
    if min(len(factor_a), len(factor_b)) < len(mean_a):
        return distance_by_factor(mean_a, factor_a, mean_b, factor_b=factor_b)
    return frechet_distance(mean_a, factor_a.T @ factor_a, mean_b, factor_b.T @ factor_b)


def distance_by_factor(mean_a, factor_a, mean_b, cov_b=None, factor_b=None):
    """Computes the Fréchet distance where a covariance is a product of few rows, S = F^T F.

        tr((S_a S_b)^{1/2}) = tr((F_a S_b F_a^T)^{1/2}) = |F_a F_b^T|_*,

    the last being the nuclear norm. These are matrices of the number of rows, not of features, and
    the values are those of `frechet_distance`, with more digits.

    Args:
        mean_a, mean_b: float64 (d,).
        factor_a: float64 (n_a, d), see `factor`.
        cov_b, factor_b: the other covariance, float64 (d, d), or the factor of it, (n_b, d).

    Returns:
        The distance, a float of at least 0.

    Raises:
        ValueError: as `frechet_distance`.
    """
    checks.same_width(len(mean_a), len(mean_b))
    if factor_b is None:
        mean_b, cov_b = gaussian(mean_b, cov_b, "mean_b", "cov_b")
        product = factor_a @ cov_b @ factor_a.T
        trace = np.sum(np.sqrt(_nonnegative(np.linalg.eigvalsh((product + product.T) / 2))))
        trace_b = np.trace(cov_b)
    else:
        trace = np.sum(np.linalg.svd(factor_a @ factor_b.T, compute_uv=False))
        trace_b = np.sum(factor_b**2)
    return _distance(mean_a, np.sum(factor_a**2), mean_b, trace_b, trace)


def factor(features):
    """The centred rows over sqrt(n - 1), float64 (n, d): F with the covariance F^T F."""
    return _mean_and_factor(features)[1]


def _mean_and_factor(features):
    mean, centered = _centered(features, least=2)
    centered /= np.sqrt(len(centered) - 1)
    return mean, centered


def _distance(mean_a, trace_a, mean_b, trace_b, trace_sqrt):
    size = np.sum((mean_a - mean_b) ** 2) + trace_a + trace_b
    squared = size - 2 * trace_sqrt
    # Equal sets give zero up to rounding, of either sign.
    if not -_ROUNDING * size <= squared < np.inf:
        raise ValueError(
            "The Fréchet distance must be finite and at least 0: these are moments of no samples. "
            f"Received: {squared:.3g}"
        )
    return float(max(squared, 0.0))


def _nonnegative(values):
    tolerance = len(values) * np.finfo(np.float64).eps * np.max(np.abs(values))
    return np.where(values > tolerance, values, 0.0)


def _centered(features, least=1):
    features = checks.rows(features, "features", least).astype(np.float64)
    mean = features.mean(0)
    features -= mean
    return mean, features
