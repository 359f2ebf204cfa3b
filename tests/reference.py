"""The papers' formulas in NumPy float64, as plainly as they are printed: the tests' truth.

Samples are rows, x (n, c), where the supplement on batch whitening has them as columns.
"""

import numpy as np


def pca(sigma, iterations=None):
    """Section A.1: W = L^-1/2 D^T, eigenvalues ascending; the signs of rows are arbitrary."""
    values, d = np.linalg.eigh(sigma)
    return d.T / np.sqrt(values)[:, None]


def zca(sigma, iterations=None):
    """Section A.2: W = D L^-1/2 D^T."""
    values, d = np.linalg.eigh(sigma)
    return (d / np.sqrt(values)) @ d.T


def cd(sigma, iterations=None):
    """Section A.3: W = L^-1, L L^T = Sigma."""
    return np.linalg.inv(np.linalg.cholesky(sigma))


def itn(sigma, iterations=5, divisor=np.trace):
    """Algorithm III on each eigenvalue alone, where rounding cannot mix them."""
    values, d = np.linalg.eigh(sigma)
    scale = divisor(sigma)
    p = np.ones_like(values)
    for _ in range(iterations):
        p = (3 * p - p**3 * values / scale) / 2
    return (d * p) @ d.T / np.sqrt(scale)


# What Newton's iteration can divide by.
DIVISORS = {
    "trace": np.trace,
    "frobenius": np.linalg.norm,
    "spectral": lambda sigma: np.linalg.norm(sigma, 2),
}


def itn_as_printed(sigma, iterations=5):
    """Algorithm III as it is printed, in the dtype of sigma."""
    trace = np.trace(sigma)
    p = np.eye(len(sigma), dtype=sigma.dtype)
    for _ in range(iterations):
        p = (3 * p - p @ p @ p @ (sigma / trace)) / 2
    return p / np.sqrt(trace)


WHITENERS = {"pca": pca, "zca": zca, "cd": cd, "itn": itn}


def group_slices(channels, group_size=None):
    """The channels of each group; the last group takes what is left over."""
    size = group_size or channels
    return [slice(start, min(start + size, channels)) for start in range(0, channels, size)]


def covariance(x):
    """Divided by n."""
    centred = x - x.mean(0)
    return centred.T @ centred / len(x)


def aligned(w, like):
    """Turns the signs of the rows of w to those of another matrix: PCA leaves them open."""
    return w * np.where(np.sum(w * like, axis=1, keepdims=True) < 0, -1.0, 1.0)


def matrices(x, method, group_size=None, epsilon=1e-3, iterations=5, like=None):
    """Each group's whitening matrix; its rows' signs are those of the matrices `like`, if given."""
    slices = group_slices(x.shape[1], group_size)
    shifted = [covariance(x[:, s]) + epsilon * np.eye(s.stop - s.start) for s in slices]
    whitening = [WHITENERS[method](sigma, iterations) for sigma in shifted]
    if like is None:
        return whitening
    return [aligned(w, turned) for w, turned in zip(whitening, like, strict=True)]


def apply(x, mean, whitening, gamma=1.0, beta=0.0):
    """gamma * W (x - mean) + beta in each group, from the list of the groups' matrices."""
    centred = x - mean
    parts, start = [], 0
    for w in whitening:
        parts.append(centred[:, start : start + len(w)] @ w.T)
        start += len(w)
    return gamma * np.concatenate(parts, axis=1) + beta


def whiten(x, gamma=1.0, beta=0.0, **options):
    """Algorithm I in training; options are those of `matrices`."""
    return apply(x, x.mean(0), matrices(x, **options), gamma, beta)


def group_whiten(x, groups, method, epsilon=1e-3, iterations=5, weights=None, like=None):
    """Huang et al., CVPR 2021, (5) to (7): x (samples, pixels, channels), each sample by itself.

    PCA's rows are turned to those of `like`, a y as this function returns, if given.
    """
    result = np.empty_like(x)
    for i, sample in enumerate(x):
        # (groups, columns), a column for each pixel and channel of a group.
        width = x.shape[2] // groups
        values = sample.reshape(-1, groups, width).transpose(1, 0, 2).reshape(groups, -1)
        counted = np.ones(len(sample)) if weights is None else weights[i]
        counted = np.repeat(counted, width)
        n = max(counted.sum(), 1.0)
        centred = values - (values @ counted)[:, None] / n
        sigma = (centred * counted) @ centred.T / n + epsilon * np.eye(groups)
        y = WHITENERS[method](sigma, iterations) @ centred
        y = y.reshape(groups, -1, width).transpose(1, 0, 2).reshape(sample.shape)
        if like is not None:
            along = (y * like[i]).reshape(-1, groups, width).sum((0, 2))
            y = y * np.repeat(np.where(along < 0, -1.0, 1.0), width)
        result[i] = y
    return result


def unitize(x, alpha, gamma=1.0, beta=0.0, epsilon=1e-3, mean=None, variance=None):
    """The released layer's formula with the biased variance: x (samples, pixels, channels)."""
    mean = x.mean((0, 1)) if mean is None else mean
    variance = ((x - mean) ** 2).mean((0, 1)) if variance is None else variance
    xh = (x - mean) / np.sqrt(variance + epsilon)
    q = (xh**2).sum((1, 2), keepdims=True) / x.shape[1] ** 2
    return gamma * (alpha / np.sqrt(q + epsilon) + 1 - alpha) * xh + beta
