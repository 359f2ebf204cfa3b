"""Bounds on the earth mover's distance W of any two samples, by their moments.

The theorems are about two distributions p and p', of one layer's outputs at two times of training.
Two samples x (n, d) and y (m, d), of which each row has mass 1/n or 1/m, are two such
distributions. So with E the mean over rows, and variances biased, each inequality holds for two
samples as they are, whatever their sizes, against `exact.exact_distance(x, y)`; for what the
samples were drawn from they are estimates.

Everything is float64, whatever comes in.

Reference: Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3: theorems 1 and 2, and the example.
https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
"""

import numbers

import numpy as np
import numpy.typing as npt

from tfnorm.analysis import checks


def moment_upper_bound(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Theorem 1: W <= sum_i var(x_i) + sum_i var(y_i) + ||E x - E y|| + 2.

    It is not homogeneous: below unit scale the 2 dominates it, above the variances do.

    ```python
    from tfnorm.analysis.exact import exact_distance
    from tfnorm.analysis.moment_bounds import moment_upper_bound

    x, y = np.random.normal(size=(2, 50, 3))
    assert exact_distance(x, y) <= moment_upper_bound(x, y)
    ```

    Args:
        x: (n, d).
        y: (m, d).

    Returns:
        float.

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    x, y = checks.pair(x, y)
    shift = np.linalg.norm(x.mean(0) - y.mean(0))
    return float(x.var(0).sum() + y.var(0).sum() + shift + 2.0)


def polynomial_witness(x: npt.ArrayLike, n: int, c: float) -> np.ndarray:
    """Theorem 2's f_{n,C}(x) = sum_i clip(x_i, -C, C)^n / (n C^(n-1) sqrt(d)), 1-Lipschitz.

    The slope is 1 where all |x_i| = C. The supplement prints the exponent as m - 1 in places.

    ```python
    from tfnorm.analysis.moment_bounds import polynomial_witness

    assert np.isclose(polynomial_witness(np.array([[2.0]]), n=2, c=4.0), [2.0**2 / (2 * 4.0)])
    ```

    Args:
        x: (samples, d).
        n: integer >= 1. The theorem says 2, and its proof holds for 1.
        c: C > 0.

    Returns:
        (samples,).

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    return _witness(checks.vectors(x, "x"), n, c)


def moment_lower_bound(x: npt.ArrayLike, y: npt.ArrayLike, n: int, c: float) -> float:
    """Theorem 2: W >= |E f_{n,C}(x) - E f_{n,C}(y)|, with f of `polynomial_witness`.

    An even n does not tell x from -x.

    ```python
    from tfnorm.analysis.exact import exact_distance
    from tfnorm.analysis.moment_bounds import moment_lower_bound

    x, y = np.random.normal(size=(2, 50, 3))
    assert moment_lower_bound(x, y + 1, n=2, c=3.0) <= exact_distance(x, y + 1)
    ```

    Args:
        x: (samples, d).
        y: (other samples, d).
        n: integer >= 1.
        c: C > 0.

    Returns:
        float.

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    x, y = checks.pair(x, y)
    return float(abs(_witness(x, n, c).mean() - _witness(y, n, c).mean()))


def unbounded_example(count: int, d: int, c: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The example's two samples: x uniform in [C'/2, C']^d, y uniform in [0, C'/4]^d.

    For one seed, samples of different C' differ by a factor alone.

    ```python
    from tfnorm.analysis.moment_bounds import unbounded_example

    x, y = unbounded_example(count=10, d=3, c=8.0)
    assert x.min() >= 4 and y.max() <= 2
    ```

    Args:
        count: rows of each sample.
        d: columns.
        c: C' > 0.
        seed: of the drawing.

    Returns:
        x and y, (count, d) each.

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    checks.positive("c", c)
    x, y = np.random.default_rng(seed).uniform(size=(2, count, d))
    return c * (1.0 + x) / 2.0, c * y / 4.0


def unbounded_example_bound(d: int, n: int, c: float) -> float:
    """The example's W >= (2^-n - 4^-n) sqrt(d) C' / n: no bound holds for every C'.

    By Theorem 2 with C = C', from x_i^n >= (C'/2)^n and y_i^n <= (C'/4)^n. So it holds for every
    two samples of these cubes; it is strict for the uniform distributions.

    ```python
    from tfnorm.analysis.exact import exact_distance
    from tfnorm.analysis.moment_bounds import unbounded_example, unbounded_example_bound

    x, y = unbounded_example(count=50, d=3, c=8.0)
    assert exact_distance(x, y) >= unbounded_example_bound(d=3, n=2, c=8.0)
    ```

    Args:
        d: columns.
        n: integer >= 1.
        c: C' > 0.

    Returns:
        float.

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    checks.positive_integer("d", d)
    _check_power(n)
    checks.positive("c", c)
    return float((2.0**-n - 4.0**-n) * np.sqrt(d) * c / n)


def _witness(x, n, c):
    _check_power(n)
    checks.positive("c", c)
    # As (x / C)^n: x^n and C^(n-1) overflow long before their quotient.
    powers = (np.clip(x, -c, c) / c) ** n
    return c / (n * np.sqrt(x.shape[1])) * powers.sum(1)


def _check_power(n):
    if not isinstance(n, numbers.Integral) or int(n) < 1:
        raise ValueError(f"`n` must be an integer of 1 or more. Received: {n=}")
