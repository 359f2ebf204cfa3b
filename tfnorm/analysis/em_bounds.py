"""Bounds on the earth mover's distance W of two samples, before and after unitization.

The theorems are about two distributions p and p', of one layer's outputs at two times of training.
Two samples x (n, d) and y (m, d), of which each row has mass 1/n or 1/m, are two such
distributions. So with E the mean over rows, and variances biased, each inequality holds for two
samples as they are, whatever their sizes, against `exact.exact_distance(x, y)`; for what the
samples were drawn from they are estimates. Theorems 3.1 to 3.4 bound W of g(x) and g(y), with g of
the same name in `tfnorm.functional` and, which the supplement does not say, one alpha for both.

Everything is float64, whatever comes in.

Reference: Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3.
"""

import numbers

import numpy as np

from tfnorm.analysis import checks


def moment_upper_bound(x, y):
    """Theorem 1: W <= sum_i var(x_i) + sum_i var(y_i) + ||E x - E y|| + 2.

    It is not homogeneous: below unit scale the 2 dominates it, above the variances do.

    Args:
        x: (n, d).
        y: (m, d).

    Returns:
        float.
    """
    x, y = checks.two(x, y)
    shift = np.linalg.norm(x.mean(0) - y.mean(0))
    return float(x.var(0).sum() + y.var(0).sum() + shift + 2.0)


def polynomial_witness(x, n, c):
    """Theorem 2's f_{n,C}(x) = sum_i clip(x_i, -C, C)^n / (n C^(n-1) sqrt(d)), 1-Lipschitz.

    The slope is 1 where all |x_i| = C. The supplement prints the exponent as m - 1 in places.

    Args:
        x: (samples, d).
        n: integer >= 1. The theorem says 2, and its proof holds for 1.
        c: C > 0.

    Returns:
        (samples,).
    """
    return _witness(checks.rows(x, "x"), n, c)


def moment_lower_bound(x, y, n, c):
    """Theorem 2: W >= |E f_{n,C}(x) - E f_{n,C}(y)|, with f of `polynomial_witness`.

    An even n does not tell x from -x.

    Args:
        x: (samples, d).
        y: (other samples, d).
        n: integer >= 1.
        c: C > 0.

    Returns:
        float.
    """
    x, y = checks.two(x, y)
    return float(abs(_witness(x, n, c).mean() - _witness(y, n, c).mean()))


def unbounded_example(count, d, c, seed=0):
    """The example's two samples: x uniform in [C'/2, C']^d, y uniform in [0, C'/4]^d.

    For one seed, samples of different C' differ by a factor alone.

    Args:
        count: rows of each sample.
        d: columns.
        c: C' > 0.
        seed: of the drawing.

    Returns:
        x and y, (count, d) each.
    """
    _check_scale(c)
    x, y = np.random.default_rng(seed).uniform(size=(2, count, d))
    return c * (1.0 + x) / 2.0, c * y / 4.0


def unbounded_example_bound(d, n, c):
    """The example's W >= (2^-n - 4^-n) sqrt(d) C' / n: no bound holds for every C'.

    By Theorem 2 with C = C', from x_i^n >= (C'/2)^n and y_i^n <= (C'/4)^n. So it holds for every
    two samples of these cubes; it is strict for the uniform distributions.

    Args:
        d: columns.
        n: integer >= 1.
        c: C' > 0.

    Returns:
        float.
    """
    _check_power(n)
    _check_scale(c)
    return float((2.0**-n - 4.0**-n) * np.sqrt(d) * c / n)


def vanilla_bound(x, y):
    """Theorem 3.1: W <= 2 after `vanilla_unitization`, whatever the samples.

    The proof takes ||g(x)|| = 1 at x = 0 too: of the constant there it needs a norm of at most 1.

    Args:
        x: (n, d).
        y: (m, d).

    Returns:
        float.
    """
    checks.two(x, y)
    return 2.0


def scalar_bound(x, y, alpha):
    """Theorem 3.2: after `scalar_unitization`, W <= 2 / alpha, or E||x|| + E||y|| if alpha = 0.

    At alpha = 1 the constant's norm must be at most 1. Where alpha is small and not 0, the smaller
    bound is E||x|| + E||y|| + 2, which by the proof of Theorem 3.3 holds for every alpha.

    Args:
        x: (n, d).
        y: (m, d).
        alpha: scalar in [0, 1].

    Returns:
        float.
    """
    x, y = checks.two(x, y)
    if np.ndim(alpha) or not 0 <= alpha <= 1:
        raise ValueError(f"`alpha` must be a number in [0, 1]. Received: {alpha=}")
    return float(2.0 / alpha if alpha else _sum_of_norms(x, y))


def vector_bound(x, y, alpha):
    """Theorem 3.3: after `vector_unitization`, by the smallest of alpha,

        W <= 2 / min_j alpha_j              if that is above 0,
        W <= E||x|| + E||y|| + 2            if it is 0.

    The second line holds for every alpha, and is the smaller where min_j alpha_j is small.

    Args:
        x: (n, d).
        y: (m, d).
        alpha: (d,), in [0, 1].

    Returns:
        float.
    """
    x, y = checks.two(x, y)
    alpha = _vector(alpha, x.shape[1])
    least = alpha.min()
    if least < 0 or alpha.max() > 1:
        raise ValueError(f"`alpha` must be in [0, 1]. Received: {alpha=}")
    return float(2.0 / least if least else _sum_of_norms(x, y) + 2.0)


def practical_bound(x, y, alpha):
    """Theorem 3.4: W <= 2 max|alpha| + max|1 - alpha| (E||x|| + E||y||).

    After `practical_unitization`, for every epsilon > 0, and so after `Unitization` of vectors,
    before gamma and beta. For feature maps see `layer_bound`.

    Args:
        x: (n, d).
        y: (m, d).
        alpha: (d,), any real numbers.

    Returns:
        float.
    """
    return layer_bound(*checks.two(x, y), alpha)


def layer_bound(x, y, alpha):
    """Theorem 3.4 for the layer: W <= 2 max|alpha| P + max|1 - alpha| (E||x|| + E||y||).

    `Unitization` of feature maps divides the squared norm of a batch-normalised map x, over all its
    channels and its P pixels, by P^2. Before gamma and beta,

        g(x) = alpha x / sqrt(||x||^2 / P^2 + epsilon) + (1 - alpha) x.

    The first root is at least ||x|| / P, so that, alpha being one number for all pixels of a
    channel,

        ||g(x)|| <= max|alpha| P + max|1 - alpha| ||x||,

    and W is at most the sum of both samples' mean norms, by Fact 2. With P = 1, vectors, it is
    Theorem 3.4. A gamma and a beta that both samples share multiply it by max|gamma|.

    In training the layer normalises x by its own mean and variance. Then E||x||^2 is at most
    P channels, and

        W <= 2 max|alpha| P + 2 max|1 - alpha| sqrt(P channels),

    whatever the layer was given. With `normalize=False` P is 1, and ||x|| still over all pixels:
    give the maps flat to `practical_bound`, and alpha once for each pixel. It does not bound a call
    with a mask, of which positions that do not count in the norm have an output too.

    Args:
        x: (n, ..., channels), after batch normalisation; P is the product of the axes between.
        y: (m, ..., channels), the same sizes but for m.
        alpha: (channels,), any real numbers.

    Returns:
        float, in the Euclidean norm of the flat maps.
    """
    x, y = checks.two(x, y, checks.samples)
    alpha = _vector(alpha, x.shape[-1])
    pixels = np.prod(x.shape[1:-1])
    norms = _sum_of_norms(x.reshape(len(x), -1), y.reshape(len(y), -1))
    return float(2.0 * abs(alpha).max() * pixels + abs(1.0 - alpha).max() * norms)


def _witness(x, n, c):
    _check_power(n)
    _check_scale(c)
    # As (x / C)^n: x^n and C^(n-1) overflow long before their quotient.
    powers = (np.clip(x, -c, c) / c) ** n
    return c / (n * np.sqrt(x.shape[1])) * powers.sum(1)


def _sum_of_norms(x, y):
    """E||x|| + E||y||."""
    return np.linalg.norm(x, axis=1).mean() + np.linalg.norm(y, axis=1).mean()


def _check_power(n):
    if not isinstance(n, numbers.Integral) or n < 1:
        raise ValueError(f"`n` must be an integer of 1 or more. Received: {n=}")


def _check_scale(c):
    if not 0 < c < np.inf:
        raise ValueError(f"`c` must be finite and above 0. Received: {c=}")


def _vector(alpha, d):
    """alpha as float64, after a check that it is (d,) and finite."""
    alpha = np.asarray(alpha, np.float64)
    if alpha.shape != (d,) or not np.isfinite(alpha).all():
        raise ValueError(f"`alpha` must be {d} finite numbers. Received: {alpha=}")
    return alpha
