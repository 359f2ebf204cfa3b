"""Roots of symmetric matrices, differentiable in closed form, at equal eigenvalues too."""

import math
import typing

import tensorflow as tf

from tfnorm.functional.gradients import connected
from tfnorm.functional.whiteners import (
    Device,
    as_row,
    decomposed,
    lyapunov,
    resolved,
    where_finite,
)
from tfnorm.functional.whitening import whitening_matrix

RootMethod = typing.Literal["eigh", "newton"]


def sqrt(
    matrix: tf.Tensor,
    method: RootMethod = "eigh",
    epsilon: float = 0.0,
    iterations: int = 5,
    scaling: str = "trace",
    device: Device | None = None,
    derivatives: int = 4,
) -> tf.Tensor:
    """Computes the symmetric square root of each matrix: `R R = matrix + epsilon I`.

    ```python
    tfnorm.functional.sqrt(tf.constant([[2.0, 1.0], [1.0, 2.0]]))
    ```

    Its gradient is the solution X of the Lyapunov equation `R X + X R = dL/dR`, as in Lin and Maji,
    "Improved Bilinear Pooling with CNNs", BMVC 2017, https://arxiv.org/abs/1707.06772, equation
    (8), found in the eigenvectors' basis where nothing is divided by a difference of eigenvalues.

    Args:
        matrix: (..., c, c), symmetric and positive semi-definite, float32 or float64.
        method: "eigh", by eigenvectors; or "newton", Newton's iteration, which is products alone
            and near the root, as iSQRT-COV takes it: Li et al., CVPR 2018,
            https://arxiv.org/abs/1712.01034.
        epsilon: added to the diagonal.
        iterations, scaling: of Newton's iteration, see `whitening_matrix`.
        device: where "eigh" decomposes, see `whitening_matrix`.
        derivatives: by "eigh", one after another, as many as may be asked for.

    Returns:
        (..., c, c), not finite where the matrix is not. Negative eigenvalues count as 0. Next to an
        eigenvalue of 0 the gradient is that next to the smallest that the dtype resolves, and of a
        matrix of zeros 0.

    Raises:
        ValueError: the matrices are not square, or there is no such method.
    """
    matrix = _checked(matrix, method)
    if method == "newton":
        shifted = _shifted(matrix, epsilon)
        # The inverse root of zeros is not finite; of ones in their place it is.
        is_zero = tf.linalg.trace(shifted)[..., tf.newaxis] == 0.0
        invertible = _shifted(matrix, tf.cast(is_zero, matrix.dtype))
        inverse = whitening_matrix(invertible, "itn", epsilon, iterations, scaling=scaling)
        root = tf.matmul(shifted, inverse)
        return tf.where(is_zero[..., tf.newaxis], tf.zeros_like(root), root)
    finite, eigenvalues, u = map(tf.stop_gradient, decomposed(matrix, device))
    eigenvalues = tf.maximum(eigenvalues, 0.0) + epsilon
    value = tf.matmul(u * as_row(tf.sqrt(eigenvalues)), u, transpose_b=True)
    value = where_finite(finite, value)
    roots = tf.sqrt(tf.maximum(eigenvalues, tf.stop_gradient(resolved(matrix))))
    roots = tf.where(roots > 0.0, roots, math.inf)

    def pullback(root: tf.Tensor, gradient: tf.Tensor, u: tf.Tensor, roots: tf.Tensor):
        symmetric = 0.5 * (gradient + tf.linalg.matrix_transpose(gradient))
        return lyapunov(root, symmetric, u, roots, differentiable=derivatives > 1)

    return connected(derivatives, pullback, matrix, value, u, roots)


def inverse_sqrt(
    matrix: tf.Tensor,
    method: RootMethod = "eigh",
    epsilon: float = 0.0,
    iterations: int = 5,
    scaling: str = "trace",
    device: Device | None = None,
) -> tf.Tensor:
    """Computes the symmetric inverse square root: `R (matrix + epsilon I) R = I`.

    ```python
    tfnorm.functional.inverse_sqrt(tf.constant([[2.0, 1.0], [1.0, 2.0]]))
    ```

    It is the matrix of ZCA whitening, or with "newton" of ItN: see `whitening_matrix`. Eigenvalues
    below what the dtype resolves of the matrix count as that.

    Args:
        matrix, method, epsilon, iterations, scaling, device: see `sqrt`.

    Returns:
        (..., c, c), not finite where the matrix is not.

    Raises:
        ValueError: the matrices are not square, or there is no such method.
    """
    matrix = _checked(matrix, method)
    own = "zca" if method == "eigh" else "itn"
    return whitening_matrix(matrix, own, epsilon, iterations, device, scaling)


def cholesky_whitening(matrix: tf.Tensor, epsilon: float = 0.0) -> tf.Tensor:
    """Computes the inverse of the lower Cholesky factor: `W (matrix + epsilon I) W^T = I`.

    ```python
    tfnorm.functional.cholesky_whitening(tf.constant([[2.0, 1.0], [1.0, 2.0]]))
    ```

    Args:
        matrix, epsilon: see `sqrt`.

    Returns:
        W, (..., c, c), lower triangular; see `whitening_matrix` with "cd".

    Raises:
        ValueError: the matrices are not square.
    """
    matrix = _checked(matrix, "eigh")
    return whitening_matrix(matrix, "cd", epsilon)


def _shifted(matrix: tf.Tensor, shift: tf.Tensor | float) -> tf.Tensor:
    return tf.linalg.set_diag(matrix, tf.linalg.diag_part(matrix) + shift)


def _checked(matrix: tf.Tensor, method: str) -> tf.Tensor:
    if method not in typing.get_args(RootMethod):
        raise ValueError(f"`method` must be 'eigh' or 'newton'. Received: method={method!r}")
    matrix = tf.convert_to_tensor(matrix)
    shape = matrix.shape
    if shape.rank < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"`matrix` must be (..., c, c). Received: matrix.shape={tuple(shape)}")
    return matrix
