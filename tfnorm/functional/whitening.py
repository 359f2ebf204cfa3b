"""From a covariance to its whitening matrix, and the gradient back, in closed and stable form.

Every method's function takes covariances (..., c, c), symmetric, without epsilon, and returns the
matrix W (..., c, c) with `W (covariance + epsilon I) W^T = I` (Newton's iteration comes near it),
and its pullback: a function from `dL/dW` to `D = dL/dS + (dL/dS)^T`, S the covariance.

The formulas are equations (1) to (10) of the supplement of Huang et al., "An Investigation into the
Stochasticity of Batch Whitening", CVPR 2020 (https://arxiv.org/abs/2003.12327), rearranged so that
no difference of eigenvalues is divided by where the gradient exists: equation (6) for ZCA is 0/0 at
equal eigenvalues, and its float32 value next to them is wrong by as much as it is large. The
pullbacks are differentiable in turn, as a gradient penalty asks; PCA's where eigenvalues are
distinct.
"""

import collections.abc
import contextlib
import typing

import numpy as np
import tensorflow as tf

from tfnorm.functional.gradients import custom_gradient

Pullback = collections.abc.Callable[[tf.Tensor], tf.Tensor]

# What a layer's moving average may follow for inference: the covariance, or the whitening matrix.
ESTIMATES = ("covariance", "matrix")


class Whitener(typing.NamedTuple):
    """A method of whitening: a row of `WHITENERS`.

    Attributes:
        function: `f(covariance, epsilon, iterations, device) -> (W, pullback)`.
        label: what tables and figures call it.
        decomposes: whether it decomposes by eigenvectors, whose device can be chosen.
        jit: whether XLA compiles it to something that is as fast.
        iterates: whether its number of iterations can be chosen.
    """

    function: collections.abc.Callable[
        [tf.Tensor, float, int, str | None], tuple[tf.Tensor, Pullback]
    ]
    label: str
    decomposes: bool = False
    jit: bool = False
    iterates: bool = False


def whitening_matrix(
    covariance: tf.Tensor,
    method: str = "itn",
    epsilon: float = 1e-3,
    iterations: int = 5,
    device: str | None = None,
) -> tf.Tensor:
    """The whitening matrix W of each covariance, differentiable in closed form.

    Args:
        covariance: (..., c, c), symmetric, float32 or float64, without epsilon.
        method: "pca", W = L^-1/2 U^T with eigenvalues L in ascending order; "zca",
            W = U L^-1/2 U^T; "cd", W the inverse of the lower Cholesky factor; "itn", Newton's
            iteration towards ZCA's.
        epsilon: added to the diagonal.
        iterations: Newton steps, for "itn".
        device: where PCA and ZCA decompose: "cpu", "gpu", or None, which is the CPU if TensorFlow
            sees a GPU, and wherever TensorFlow likes otherwise.

    Returns:
        W, (..., c, c), not finite where the covariance is not. PCA's has no gradient where
        eigenvalues are equal: there the part that would turn eigenvectors into each other is left
        out.
    """

    @custom_gradient
    def matrix(covariance):
        w, pullback = WHITENERS[method].function(covariance, epsilon, iterations, device)
        return w, lambda gradient: 0.5 * pullback(gradient)

    return matrix(covariance)


def pca(
    covariance: tf.Tensor, epsilon: float, iterations: int, device: str | None
) -> tuple[tf.Tensor, Pullback]:
    """PCA whitening, equations (1) to (3): W = L^-1/2 U^T, eigenvalues ascending."""
    finite, eigenvalues, u = _eigh(covariance, epsilon, device)
    w = _transpose(u / tf.sqrt(eigenvalues)[..., tf.newaxis, :])
    # Closer than this, eigenvalues are equal as far as rounding lets us see: the covariance's and
    # the decomposition's is in proportion to the largest eigenvalue, for the small ones too.
    precision = 10 * np.sqrt(w.shape[-1]) * _precision(w)
    tolerance = precision * eigenvalues[..., -1:, tf.newaxis]

    def pullback(gradient):
        z = tf.matmul(gradient, w, transpose_b=True)
        row, column = eigenvalues[..., tf.newaxis], eigenvalues[..., tf.newaxis, :]
        total, difference = row + column, column - row
        distinct = tf.abs(difference) > tolerance
        factor = tf.where(distinct, total / tf.where(distinct, difference, 1.0), 0.0)
        psi = 0.5 * (z + _transpose(z) + factor * (z - _transpose(z)))
        return -tf.matmul(w, tf.matmul(psi, w), transpose_a=True)

    return _where_finite(finite, w), pullback


def zca(
    covariance: tf.Tensor, epsilon: float, iterations: int, device: str | None
) -> tuple[tf.Tensor, Pullback]:
    """ZCA whitening, equations (4) to (6): W = U L^-1/2 U^T, the symmetric inverse root."""
    finite, eigenvalues, u = map(tf.stop_gradient, _eigh(covariance, epsilon, device))
    roots = tf.sqrt(eigenvalues)
    value = tf.matmul(u / roots[..., tf.newaxis, :], u, transpose_b=True)

    def pullback(gradient):
        return _zca_adjoint(w, gradient + _transpose(gradient), u, roots)

    @custom_gradient
    def connected(covariance: tf.Tensor) -> tuple[tf.Tensor, Pullback]:
        return _where_finite(finite, value), lambda gradient: 0.5 * pullback(gradient)

    # For second derivatives W must not depend on the covariance through eigenvectors.
    w: tf.Tensor = connected(covariance)
    return w, pullback


def _zca_adjoint(w, q, u, roots):
    """D = -W^2 X W^2 with W X + X W = q, differentiable at equal eigenvalues too."""

    @custom_gradient
    def adjoint(w, q):
        row, column = roots[..., tf.newaxis], roots[..., tf.newaxis, :]
        value = _in_basis(u, q, -1.0 / (row * column * (row + column)))

        def gradient(of_d):
            square, x = tf.matmul(w, w), _lyapunov(w, q, u, roots)
            of_q = _lyapunov(w, -tf.matmul(square, tf.matmul(of_d, square)), u, roots)
            of_square = -tf.matmul(of_d, tf.matmul(square, x))
            of_square = of_square - tf.matmul(x, tf.matmul(square, of_d))
            return _anticommutator(of_square, w) - _anticommutator(of_q, x), of_q

        return value, gradient

    return adjoint(w, q)


def _lyapunov(w, q, u, roots):
    """X with W X + X W = q; W has eigenvectors u and eigenvalues 1 / roots."""

    @custom_gradient
    def solve(w, q):
        row, column = roots[..., tf.newaxis], roots[..., tf.newaxis, :]

        def gradient(of_x):
            of_q = _lyapunov(w, of_x, u, roots)
            return -_anticommutator(of_q, _lyapunov(w, q, u, roots)), of_q

        return _in_basis(u, q, row * column / (row + column)), gradient

    return solve(w, q)


def _in_basis(u, matrix, factor):
    """u (factor * (u^T matrix u)) u^T, the product in the middle entry by entry."""
    rotated = factor * tf.matmul(u, tf.matmul(matrix, u), transpose_a=True)
    return tf.matmul(u, tf.matmul(rotated, u, transpose_b=True))


def _anticommutator(a, b):
    return tf.matmul(a, b) + tf.matmul(b, a)


def cd(
    covariance: tf.Tensor, epsilon: float, iterations: int, device: str | None
) -> tuple[tf.Tensor, Pullback]:
    """Cholesky whitening, equations (7) and (8): W = L^-1 with L L^T = S + epsilon I."""
    finite, covariance = _finite(covariance)
    # Rounding can leave a covariance of low rank and large scale indefinite by more than epsilon:
    # a shift of the size of that rounding keeps the factorisation alive.
    rounding = _precision(covariance) * tf.linalg.trace(covariance)
    factor = tf.linalg.cholesky(_shifted(covariance, epsilon + rounding[..., tf.newaxis]))
    w = tf.linalg.triangular_solve(factor, _identity_like(covariance))

    def pullback(gradient):
        z = tf.linalg.band_part(tf.matmul(gradient, w, transpose_b=True), -1, 0)
        psi = tf.linalg.set_diag(z + _transpose(z), tf.linalg.diag_part(z))
        return -tf.matmul(w, tf.matmul(psi, w), transpose_a=True)

    return _where_finite(finite, w), pullback


def itn(
    covariance: tf.Tensor, epsilon: float, iterations: int, device: str | None
) -> tuple[tf.Tensor, Pullback]:
    """Newton's iteration, Algorithm III, in coupled form, with the gradient of (9) and (10).

    The printed iteration P <- (3 P - P^3 Q) / 2 loses Q's structure to rounding and diverges after
    about seven steps. With Q_1 = S / tr(S), T_k = (3 I - Q_k) / 2 and Q_{k+1} = Q_k T_k T_k, the
    product P = T_1 ... T_T is the same polynomial in Q_1, and W = P / sqrt(tr(S)). The eigenvalues
    of W S W follow q <- q (1.5 - 0.5 q)^2, T times, from those of Q_1.

    The derivative of a polynomial in a symmetric matrix is its own adjoint, so that the pullback is
    the forward derivative of the recursion at dL/dW, and the trace terms of (9).
    """
    s = _shifted(covariance, epsilon)
    trace = tf.linalg.trace(s)[..., tf.newaxis, tf.newaxis]
    identity = _identity_like(s)
    q = s / trace
    steps = []
    p = None
    for k in range(iterations):
        t = 1.5 * identity - 0.5 * q
        steps.append((q, t, p))
        p = t if p is None else tf.matmul(p, t)
        if k + 1 < iterations:
            q = tf.matmul(tf.matmul(q, t), t)
    inverse_root = tf.math.rsqrt(trace)

    def pullback(gradient):
        dq = 0.5 * inverse_root * (gradient + _transpose(gradient))
        dp = None
        for k, (q, t, p) in enumerate(steps):
            dt = -0.5 * dq
            dp = dt if dp is None else tf.matmul(dp, t) + tf.matmul(p, dt)
            if k + 1 < iterations:
                # Q' = 2.25 Q - 1.5 Q^2 + 0.25 Q^3, whose derivative takes two products.
                b = tf.matmul(dq, q)
                half = tf.matmul(-1.5 * dq + 0.25 * b + 0.125 * _transpose(b), q)
                dq = 2.25 * dq + half + _transpose(half)
        dp = dp + _transpose(dp)
        of_scale = tf.reduce_sum(dp * s, [-2, -1], keepdims=True) / tf.square(trace)
        of_root = tf.reduce_sum(gradient * last, [-2, -1], keepdims=True) * inverse_root / trace
        return dp / trace - (of_scale + of_root) * identity

    last = p
    return p * inverse_root, pullback


# The one table of methods: arguments and errors of the layers, names on the command line, presets,
# placement, compilation and labels follow from it. Programs read its keys from this source, without
# loading TensorFlow, so that it is written out.
WHITENERS: dict[str, Whitener] = {
    "pca": Whitener(pca, "PCA", decomposes=True),
    "zca": Whitener(zca, "ZCA", decomposes=True),
    "cd": Whitener(cd, "CD"),
    "itn": Whitener(itn, "ItN", jit=True, iterates=True),
}


def _eigh(covariance, epsilon, device):
    """Eigenvalues of the shifted covariance, at least epsilon whatever rounding says; vectors."""
    finite, covariance = _finite(covariance)  # LAPACK raises on NaN, or does not return
    if device is None and tf.config.list_physical_devices("GPU"):
        device = "cpu"
    # `tf.device(None)` would undo a placement from outside.
    place = contextlib.nullcontext() if device is None else tf.device(f"/{device.upper()}:0")
    with place:
        eigenvalues, u = tf.linalg.eigh(covariance)
    return finite, tf.maximum(eigenvalues, 0.0) + epsilon, u


def _finite(covariance):
    finite = tf.reduce_all(tf.math.is_finite(covariance), [-2, -1], keepdims=True)
    return finite, tf.where(finite, covariance, _identity_like(covariance))


def _where_finite(finite, w):
    return tf.where(finite, w, tf.constant(np.nan, w.dtype))


def _shifted(matrix, value):
    return tf.linalg.set_diag(matrix, tf.linalg.diag_part(matrix) + value)


def _identity_like(matrix):
    return tf.eye(matrix.shape[-1], dtype=matrix.dtype)


def _precision(tensor):
    """The distance from 1 to the next larger number of a tensor's dtype."""
    return np.finfo(tensor.dtype.name).eps


def _transpose(matrix):
    return tf.linalg.matrix_transpose(matrix)
