"""Bounds on the earth mover's distance W of two samples after unitization.

As in `moment_bounds`, x (n, d) and y (m, d) stand for one layer's outputs at two times of training,
E is the mean over rows, and each inequality holds for the samples as they are. Theorems 3.1 to 3.4
bound W of g(x) and g(y), with g of the same name in `tfnorm.functional` and, which the supplement
does not say, one alpha for both.

Everything is float64, whatever comes in.

Reference: Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3: theorems 3.1 to 3.4.
https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
"""

import numpy as np
import numpy.typing as npt

from tfnorm.analysis import checks


def vanilla_bound(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Theorem 3.1: W <= 2 after `vanilla_unitization`, whatever the samples.

    The proof takes ||g(x)|| = 1 at x = 0 too: of the constant there it needs a norm of at most 1.

    ```python
    from tfnorm.analysis.exact import exact_distance
    from tfnorm.analysis.unitization_bounds import vanilla_bound

    x, y = 100 * np.random.normal(size=(2, 50, 3))
    g = lambda samples: tfnorm.functional.vanilla_unitization(samples, np.array([1.0, 0.0, 0.0]))
    assert exact_distance(g(x), g(y)) <= vanilla_bound(x, y) == 2
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
    checks.pair(x, y)
    return 2.0


def scalar_bound(x: npt.ArrayLike, y: npt.ArrayLike, alpha: float) -> float:
    """Theorem 3.2: after `scalar_unitization`, W <= 2 / alpha, or E||x|| + E||y|| if alpha = 0.

    At alpha = 1 the constant's norm must be at most 1. Where alpha is small and not 0, the smaller
    bound is E||x|| + E||y|| + 2, which by the proof of Theorem 3.3 holds for every alpha.

    ```python
    from tfnorm.analysis.exact import exact_distance
    from tfnorm.analysis.unitization_bounds import scalar_bound

    x, y = 100 * np.random.normal(size=(2, 50, 3))
    constant = np.array([1.0, 0.0, 0.0])
    g = lambda samples: tfnorm.functional.scalar_unitization(samples, 0.5, constant)
    assert exact_distance(g(x), g(y)) <= scalar_bound(x, y, 0.5)
    ```

    Args:
        x: (n, d).
        y: (m, d).
        alpha: scalar in [0, 1].

    Returns:
        float.

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    x, y = checks.pair(x, y)
    is_number = not np.ndim(alpha) and np.asarray(alpha).dtype.kind in "iuf"
    if not is_number or not 0 <= alpha <= 1:
        raise ValueError(f"`alpha` must be a number in [0, 1]. Received: {alpha=}")
    return float(2.0 / alpha if alpha else _sum_of_norms(x, y))


def vector_bound(x: npt.ArrayLike, y: npt.ArrayLike, alpha: npt.ArrayLike) -> float:
    """Theorem 3.3: after `vector_unitization`, by the smallest of alpha,

        W <= 2 / min_j alpha_j              if that is above 0,
        W <= E||x|| + E||y|| + 2            if it is 0.

    The second line holds for every alpha, and is the smaller where min_j alpha_j is small.

    ```python
    from tfnorm.analysis.exact import exact_distance
    from tfnorm.analysis.unitization_bounds import vector_bound

    x, y = 100 * np.random.normal(size=(2, 50, 3))
    alpha = np.array([0.5, 0.7, 1.0])
    g = lambda samples: tfnorm.functional.vector_unitization(samples, alpha)
    assert exact_distance(g(x), g(y)) <= vector_bound(x, y, alpha)
    ```

    Args:
        x: (n, d).
        y: (m, d).
        alpha: (d,), in [0, 1].

    Returns:
        float.

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    x, y = checks.pair(x, y)
    alpha = _vector(alpha, x.shape[1])
    least = alpha.min()
    if least < 0 or alpha.max() > 1:
        raise ValueError(f"`alpha` must be in [0, 1]. Received: {alpha=}")
    return float(2.0 / least if least else _sum_of_norms(x, y) + 2.0)


def practical_bound(x: npt.ArrayLike, y: npt.ArrayLike, alpha: npt.ArrayLike) -> float:
    """Theorem 3.4: W <= 2 max|alpha| + max|1 - alpha| (E||x|| + E||y||).

    After `practical_unitization`, for every epsilon > 0, and so after `Unitization` of vectors,
    before gamma and beta. For feature maps see `layer_bound`.

    ```python
    from tfnorm.analysis.exact import exact_distance
    from tfnorm.analysis.unitization_bounds import practical_bound

    x, y = np.random.normal(size=(2, 50, 3))
    alpha = np.array([0.5, 1.5, -0.5])
    g = lambda samples: tfnorm.functional.practical_unitization(tf.constant(samples), alpha)
    assert exact_distance(g(x), g(y)) <= practical_bound(x, y, alpha)
    ```

    Args:
        x: (n, d).
        y: (m, d).
        alpha: (d,), any real numbers.

    Returns:
        float.

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    return layer_bound(*checks.pair(x, y), alpha)


def layer_bound(x: npt.ArrayLike, y: npt.ArrayLike, alpha: npt.ArrayLike) -> float:
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

    ```python
    from tfnorm.analysis.exact import exact_distance
    from tfnorm.analysis.unitization_bounds import layer_bound

    x, y = np.random.normal(size=(2, 20, 4, 4, 3))
    layer = tfnorm.Unitization(alpha_initializer="ones", center=False, scale=False)
    gx, gy = (np.reshape(layer(maps), (20, -1)) for maps in (x, y))
    assert exact_distance(gx, gy) <= layer_bound(x, y, np.ones(3)) * 1.01
    ```

    Args:
        x: (n, ..., channels), after batch normalisation; P is the product of the axes between.
        y: (m, ..., channels), the same sizes but for m.
        alpha: (channels,), any real numbers.

    Returns:
        float, in the Euclidean norm of the flat maps.

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    x, y = checks.pair(x, y, checks.samples)
    alpha = _vector(alpha, x.shape[-1])
    pixels = np.prod(x.shape[1:-1])
    norms = _sum_of_norms(x.reshape(len(x), -1), y.reshape(len(y), -1))
    return float(2.0 * abs(alpha).max() * pixels + abs(1.0 - alpha).max() * norms)


def _sum_of_norms(x, y):
    """E||x|| + E||y||."""
    return np.linalg.norm(x, axis=1).mean() + np.linalg.norm(y, axis=1).mean()


def _vector(alpha, d):
    """Returns alpha as float64, after a check that it is (d,) and finite."""
    alpha = np.asarray(alpha, np.float64)
    if alpha.shape != (d,) or not np.isfinite(alpha).all():
        raise ValueError(f"`alpha` must be {d} finite numbers. Received: {alpha=}")
    return alpha
