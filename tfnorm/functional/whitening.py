"""The whitening matrix of a covariance, by one of the methods of the table `WHITENERS`."""

import typing
from collections.abc import Callable

import tensorflow as tf

from tfnorm.functional.gradients import custom_gradient
from tfnorm.functional.whiteners import (
    SCALINGS,
    Device,
    Pullback,
    Scaling,
    Settings,
    cd,
    itn,
    pca,
    zca,
)


class Whitener(typing.NamedTuple):
    """A method of whitening: a row of `WHITENERS`.

    ```python
    pca = tfnorm.functional.WHITENERS["pca"]
    assert (pca.label, pca.decomposes, pca.jit) == ("PCA", True, False)
    ```

    Attributes:
        function: from covariances (..., c, c) and `Settings` to the matrices W (..., c, c) and
            their pullback; see `whiteners`.
        label: what tables and figures call the method.
        decomposes: whether it takes eigenvectors, so that the device says where.
        iterates: whether it iterates, so that the number of steps matters.
        jit: whether XLA may compile it. On CPU XLA has no fast decompositions, and it ignores where
            they are placed.
    """

    function: Callable[[tf.Tensor, Settings], tuple[tf.Tensor, Pullback]]
    label: str
    decomposes: bool = False
    iterates: bool = False
    jit: bool = False


# The one list of methods: a row added here is a method everywhere. This and `ESTIMATES` are written
# out, with the names as strings, since the programs read them from this file where loading
# TensorFlow would take too long, as for `--help`.
WHITENERS = {
    "pca": Whitener(pca, "PCA", decomposes=True),
    "zca": Whitener(zca, "ZCA", decomposes=True),
    "cd": Whitener(cd, "CD"),
    "itn": Whitener(itn, "ItN", iterates=True, jit=True),
}

# What the moving average of a whitening may follow for inference: the covariance, from which the
# matrix follows, or the whitening matrix itself. The supplement has both.
ESTIMATES = ("covariance", "matrix")


def find_whitener(method: str) -> Whitener:
    """Finds a method's row of `WHITENERS`."""
    if method not in list(WHITENERS):
        raise ValueError(
            f"`method` must be one of {sorted(WHITENERS)}. Received: method={method!r}"
        )
    return WHITENERS[method]


def find_scaling(scaling: str) -> Scaling:
    """Finds a scaling's row of `SCALINGS`."""
    if scaling not in list(SCALINGS):
        raise ValueError(
            f"`scaling` must be one of {sorted(SCALINGS)}. Received: scaling={scaling!r}"
        )
    return SCALINGS[scaling]


def check_estimate(estimate: str) -> None:
    """Checks that an estimate is one of `ESTIMATES`."""
    if estimate not in ESTIMATES:
        raise ValueError(
            f"`estimate` must be one of {list(ESTIMATES)}. Received: estimate={estimate!r}"
        )


def whitening_matrix(
    covariance: tf.Tensor,
    method: str = "itn",
    epsilon: float = 1e-3,
    iterations: int = 5,
    device: Device | None = None,
    scaling: str = "trace",
) -> tf.Tensor:
    """Computes the whitening matrix W of each covariance, differentiable in closed form.

    ```python
    covariance = np.array([[2.0, 1.0], [1.0, 3.0]])
    for method in tfnorm.functional.WHITENERS:
        w = tfnorm.functional.whitening_matrix(covariance, method, epsilon=0.0, iterations=20)
        assert np.allclose(w @ covariance @ np.transpose(w), np.eye(2))
    ```

    Args:
        covariance: (..., c, c), symmetric, float32 or float64, without epsilon.
        method: "pca", W = L^-1/2 U^T with eigenvalues L in ascending order; "zca",
            W = U L^-1/2 U^T; "cd", W the inverse of the lower Cholesky factor; "itn", Newton's
            iteration towards ZCA's.
        epsilon: added to the diagonal. By "pca", "zca" and "cd" no eigenvalue is taken to be less
            than the dtype resolves of the covariance, some eps ||S||_F: below it is rounding's.
        iterations: Newton steps, for "itn".
        device: where PCA and ZCA decompose: "cpu", "gpu", or None, which is the CPU if TensorFlow
            sees a GPU, and wherever TensorFlow likes otherwise.
        scaling: what Newton's iteration divides the covariance by first, for "itn": its "trace", as
            in the paper; its "frobenius" norm; or its largest eigenvalue, "spectral". From left to
            right it takes fewer steps. "spectral" decomposes, as ZCA does, and has a gradient where
            the largest eigenvalue is a single one.

    Returns:
        W, (..., c, c), not finite where the covariance is not. The largest entry of each of PCA's
        rows is positive. PCA's has no gradient where eigenvalues are equal: there the part that
        would turn eigenvectors into each other is left out.

    Reference:
        Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
        https://arxiv.org/abs/2003.12327, supplement: equations (1) to (3) are "pca" and its
        gradient, (4) to (6) "zca", (7) and (8) "cd", (9) and (10) with Algorithm III "itn".
    """
    whitener = find_whitener(method)
    find_scaling(scaling)
    settings = Settings(epsilon, iterations, scaling, device)

    @custom_gradient
    def matrix(covariance: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
        w, pullback = whitener.function(covariance, settings)
        return w, lambda gradient: 0.5 * pullback(gradient)

    return matrix(covariance)
