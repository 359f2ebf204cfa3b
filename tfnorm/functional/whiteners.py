"""The methods of whitening: from a covariance to its matrix, and the gradient back.

Every whitener takes covariances (..., c, c), symmetric, without epsilon, and returns the matrix W
(..., c, c) with `W (covariance + epsilon I) W^T = I` (Newton's iteration comes near it), and its
pullback: a function from `dL/dW` to `D = dL/dS + (dL/dS)^T`, S the covariance.

The formulas are equations (1) to (10) of the supplement of Huang et al., "An Investigation into the
Stochasticity of Batch Whitening", CVPR 2020, https://arxiv.org/abs/2003.12327, rearranged so that
no difference of eigenvalues is divided by where the gradient exists: equation (6) for ZCA is 0/0 at
equal eigenvalues, and its float32 value next to them is wrong by as much as it is large. The
pullbacks are differentiable in turn, as a gradient penalty asks; PCA's where eigenvalues are
distinct.
"""

import contextlib
import math
import typing
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfnorm.functional.gradients import connected, nested_gradient
from tfnorm.functional.shapes import known_size

Device = typing.Literal["cpu", "gpu"]
Pullback = Callable[[tf.Tensor], tf.Tensor]


class Settings(typing.NamedTuple):
    """What a method may ask for besides the covariance.

    Attributes:
        epsilon: added to the covariance's diagonal.
        iterations: Newton steps.
        scaling: of `SCALINGS`, what Newton's iteration divides the covariance by.
        device: where eigenvectors are computed: see `whitening_matrix`.
        derivatives: of ZCA's matrix, one after another, as many as may be asked for; a gradient
            penalty takes two. With 0 the matrix is a number that nothing is to be differentiated
            through, with 1 its gradient is, and refuses to be differentiated: a SavedModel of these
            holds no gradient of a gradient, which TensorFlow does not save, and warns of when it
            loads.
    """

    epsilon: float = 1e-3
    iterations: int = 5
    scaling: str = "trace"
    device: Device | None = None
    derivatives: int = 4


# The rounding of a covariance and of its decomposition, in units of eps ||S||_F: with 1 of them
# some finite batches of low rank could not be factorised in float32.
_ROUNDINGS = 2.0
# A pivot of Cholesky's above so much of it is the covariance's, below it may be rounding's.
_SOUND = 0.1
# What Cholesky's shift is in turn, in units of what the dtype resolves: rounding of up to 4 eps
# ||S||_F was seen, of 16,384 rows.
_SHIFTS = (1.0, 8.0, 64.0)
_ONE_DERIVATIVE = "Second derivatives must be asked for: training=True, or `derivatives`."
# Entries of an eigenvector that differ by less, relatively, are as large as each other.
_SAME_SIZE = 1e-3


def pca(covariance: tf.Tensor, settings: Settings) -> tuple[tf.Tensor, Pullback]:
    """Whitens by PCA, equations (1) to (3): W = L^-1/2 U^T, eigenvalues ascending.

    An eigenvector's sign is arbitrary: each row of W is turned so that its largest entry is
    positive, and of entries that are as large but for rounding the first. So devices and batches
    agree, and the moving average of W means something.
    """
    finite, eigenvalues, u = _eigh(covariance, settings)
    w = _signed(_transpose(u / as_row(tf.sqrt(eigenvalues))))
    # Closer than this, eigenvalues are equal as far as rounding lets us see: the covariance's and
    # the decomposition's is in proportion to the largest eigenvalue, for the small ones too.
    precision = 10 * math.sqrt(known_size(w)) * _resolution(w)
    tolerance = precision * _as_column(tf.reduce_max(eigenvalues, -1, keepdims=True))

    def pullback(gradient: tf.Tensor) -> tf.Tensor:
        z = tf.matmul(gradient, w, transpose_b=True)
        row, column = _as_column(eigenvalues), as_row(eigenvalues)
        total, difference = row + column, column - row
        distinct = tf.abs(difference) > tolerance
        factor = tf.where(distinct, total / tf.where(distinct, difference, 1.0), 0.0)
        psi = 0.5 * (z + _transpose(z) + factor * (z - _transpose(z)))
        return -tf.matmul(w, tf.matmul(psi, w), transpose_a=True)

    return where_finite(finite, w), pullback


def zca(covariance: tf.Tensor, settings: Settings) -> tuple[tf.Tensor, Pullback]:
    """Whitens by ZCA, equations (4) to (6): W = U L^-1/2 U^T, the symmetric inverse root."""
    finite, eigenvalues, u = map(tf.stop_gradient, _eigh(covariance, settings))
    roots = tf.sqrt(eigenvalues)
    value = where_finite(finite, tf.matmul(u / as_row(roots), u, transpose_b=True))

    def adjoint(w: tf.Tensor, gradient: tf.Tensor, u: tf.Tensor, roots: tf.Tensor) -> tf.Tensor:
        q = gradient + _transpose(gradient)
        if settings.derivatives < 2:
            return _undifferentiable(_in_basis(u, q, _adjoint_factor(roots)))
        return _zca_adjoint(w, q, u, roots)

    # Derivatives must not go through eigenvectors. In forward mode a gradient is asked for before
    # there is a W: so each makes its own.
    w = connected(settings.derivatives, lambda *y: 0.5 * adjoint(*y), covariance, value, u, roots)
    return w, lambda gradient: adjoint(w, gradient, u, roots)


def _undifferentiable(gradient: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.PreventGradient(input=gradient, message=_ONE_DERIVATIVE)


def _zca_adjoint(w: tf.Tensor, q: tf.Tensor, u: tf.Tensor, roots: tf.Tensor) -> tf.Tensor:
    """D = -W^2 X W^2 with W X + X W = q, differentiable at equal eigenvalues too."""

    @nested_gradient
    def adjoint(w: tf.Tensor, q: tf.Tensor, u: tf.Tensor, roots: tf.Tensor):
        # Stopped, or forward mode would take the operations' derivative for the gradient's.
        value = _in_basis(u, tf.stop_gradient(q), _adjoint_factor(roots))

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
            square, x = tf.matmul(w, w), lyapunov(w, q, u, 1.0 / roots)
            dq = lyapunov(w, -tf.matmul(square, tf.matmul(upstream, square)), u, 1.0 / roots)
            d_square = -tf.matmul(upstream, tf.matmul(square, x))
            d_square = d_square - tf.matmul(x, tf.matmul(square, upstream))
            return _anticommutator(d_square, w) - _anticommutator(dq, x), dq, None, None

        return value, gradient

    return adjoint(w, q, u, roots)


def _adjoint_factor(roots: tf.Tensor) -> tf.Tensor:
    row, column = _as_column(roots), as_row(roots)
    return -1.0 / (row * column * (row + column))


def lyapunov(
    a: tf.Tensor,
    q: tf.Tensor,
    u: tf.Tensor,
    eigenvalues: tf.Tensor,
    differentiable: bool = True,
) -> tf.Tensor:
    """X (..., c, c) with A X + X A = q; A has these eigenvectors and eigenvalues.

    Args:
        a, q, u: (..., c, c), symmetric but for the eigenvectors u, columns.
        eigenvalues: (..., c), positive.
        differentiable: whether it has a gradient, which a SavedModel does not keep.
    """
    if not differentiable:
        return _undifferentiable(_in_basis(u, q, _solution_factor(eigenvalues)))

    @nested_gradient
    def solve(a: tf.Tensor, q: tf.Tensor, u: tf.Tensor, eigenvalues: tf.Tensor):
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
            dq = lyapunov(a, upstream, u, eigenvalues)
            return -_anticommutator(dq, lyapunov(a, q, u, eigenvalues)), dq, None, None

        return _in_basis(u, tf.stop_gradient(q), _solution_factor(eigenvalues)), gradient

    return solve(a, q, u, eigenvalues)


def _solution_factor(eigenvalues: tf.Tensor) -> tf.Tensor:
    return 1.0 / (_as_column(eigenvalues) + as_row(eigenvalues))


def _in_basis(u: tf.Tensor, matrix: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """u (factor * (u^T matrix u)) u^T, the product in the middle entry by entry."""
    rotated = factor * tf.matmul(u, tf.matmul(matrix, u), transpose_a=True)
    return tf.matmul(u, tf.matmul(rotated, u, transpose_b=True))


def _anticommutator(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.matmul(a, b) + tf.matmul(b, a)


def cd(covariance: tf.Tensor, settings: Settings) -> tuple[tf.Tensor, Pullback]:
    """Whitens by Cholesky's factor, equations (7) and (8): W = L^-1, L L^T = S + epsilon I.

    Where a pivot is below what the dtype resolves of S, that is added to the diagonal if it is more
    than epsilon: rounding can leave S + epsilon I indefinite. After long sums it can be more, which
    is seen by a pivot that there is not.
    """
    finite, covariance = _finite(covariance)
    least = tf.cast(resolved(covariance), tf.float64)
    # TensorFlow's factorisation in float32 is several times as far off as the covariance itself.
    exact = tf.cast(covariance, tf.float64)
    epsilon = tf.constant(settings.epsilon, tf.float64)

    def factorised(shift: tf.Tensor, multiples: Sequence[float]) -> tf.Tensor:
        factor = tf.linalg.cholesky(_shifted(exact, shift))
        if not multiples:
            return factor
        pivot = tf.reduce_min(tf.square(tf.linalg.diag_part(factor)), -1, keepdims=True)
        is_sound = pivot >= _SOUND * least  # not where it is NaN
        more = tf.where(is_sound, shift, tf.maximum(multiples[0] * least, epsilon))
        return tf.cond(
            tf.reduce_all(is_sound), lambda: factor, lambda: factorised(more, multiples[1:])
        )

    factor = factorised(epsilon, _SHIFTS)
    factor = tf.cast(factor, covariance.dtype)
    w = tf.linalg.triangular_solve(factor, _identity_like(covariance))

    def pullback(gradient: tf.Tensor) -> tf.Tensor:
        z = tf.linalg.band_part(tf.matmul(gradient, w, transpose_b=True), -1, 0)
        psi = tf.linalg.set_diag(z + _transpose(z), tf.linalg.diag_part(z))
        return -tf.matmul(w, tf.matmul(psi, w), transpose_a=True)

    return where_finite(finite, w), pullback


def itn(covariance: tf.Tensor, settings: Settings) -> tuple[tf.Tensor, Pullback]:
    """Whitens by Newton's iteration: Algorithm III in coupled form, with the gradient (9) and (10).

    The printed iteration P <- (3 P - P^3 Q) / 2 loses Q's structure to rounding and diverges after
    about seven steps. With Q_1 = S / s(S), s the trace or another of `SCALINGS`,
    T_k = (3 I - Q_k) / 2 and Q_{k+1} = Q_k T_k T_k, the product P = T_1 ... T_T is the same
    polynomial in Q_1, and W = P / sqrt(s(S)). The eigenvalues of W S W follow
    q <- q (1.5 - 0.5 q)^2, T times, from those of Q_1.

    The derivative of a polynomial in a symmetric matrix is its own adjoint, so that the pullback is
    the forward derivative of the recursion at dL/dW, and the terms of s, in (9) the trace's.
    """
    covariance = _shifted(covariance, settings.epsilon)
    scale, d_scale = SCALINGS[settings.scaling].function(covariance, settings)
    identity = _identity_like(covariance)
    qs, ts, ps = [covariance / scale], [], []
    for k in range(settings.iterations):
        if k:
            qs.append(tf.matmul(tf.matmul(qs[-1], ts[-1]), ts[-1]))
        ts.append(1.5 * identity - 0.5 * qs[-1])
        ps.append(tf.matmul(ps[-1], ts[-1]) if k else ts[-1])
    inverse_root = tf.math.rsqrt(scale)

    def pullback(gradient: tf.Tensor) -> tf.Tensor:
        dq = 0.5 * inverse_root * (gradient + _transpose(gradient))
        dp = -0.5 * dq
        for q, t, p in zip(qs[:-1], ts[1:], ps[:-1], strict=True):
            # Q' = 2.25 Q - 1.5 Q^2 + 0.25 Q^3, whose derivative takes two products.
            b = tf.matmul(dq, q)
            half = tf.matmul(-1.5 * dq + 0.25 * b + 0.125 * _transpose(b), q)
            dq = 2.25 * dq + half + _transpose(half)
            dp = tf.matmul(dp, t) + tf.matmul(p, -0.5 * dq)
        dp = dp + _transpose(dp)
        of_q = tf.reduce_sum(dp * qs[0], [-2, -1], keepdims=True) / scale
        of_root = tf.reduce_sum(gradient * ps[-1], [-2, -1], keepdims=True) * inverse_root / scale
        return dp / scale - (of_q + of_root) * d_scale

    return ps[-1] * inverse_root, pullback


def _by_trace(s: tf.Tensor, settings: Settings) -> tuple[tf.Tensor, tf.Tensor]:
    return _as_column(_as_column(tf.linalg.trace(s))), _identity_like(s)


def _by_frobenius(s: tf.Tensor, settings: Settings) -> tuple[tf.Tensor, tf.Tensor]:
    norm = _frobenius(s)
    return norm, s / norm


def _by_spectral(s: tf.Tensor, settings: Settings) -> tuple[tf.Tensor, tf.Tensor]:
    finite, eigenvalues, u = _eigh(s, settings._replace(epsilon=0.0))
    largest, top = (tf.gather(values, [known_size(s) - 1], axis=-1) for values in (eigenvalues, u))
    return where_finite(finite, _as_column(largest)), tf.matmul(top, top, transpose_b=True)


class Scaling(typing.NamedTuple):
    """What Newton's iteration divides S by, so that eigenvalues are in (0, 1]: of `SCALINGS`.

    Attributes:
        function: from S (..., c, c) and `Settings` to the divisor, (..., 1, 1), and its derivative
            with respect to S, symmetric, (..., c, c).
        decomposes: whether it takes eigenvectors.
    """

    function: Callable[[tf.Tensor, Settings], tuple[tf.Tensor, tf.Tensor]]
    decomposes: bool = False


# The trace is the paper's. The others leave eigenvalues larger, which takes fewer steps.
SCALINGS = {
    "trace": Scaling(_by_trace),
    "frobenius": Scaling(_by_frobenius),
    "spectral": Scaling(_by_spectral, decomposes=True),
}


def _eigh(covariance: tf.Tensor, settings: Settings) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Whether a covariance is finite, and its eigenvalues and eigenvectors.

    The eigenvalues are those of S + epsilon I, none below what the dtype resolves of S.
    """
    finite, eigenvalues, u = decomposed(covariance, settings.device)
    eigenvalues = tf.maximum(eigenvalues, 0.0) + settings.epsilon
    return finite, tf.maximum(eigenvalues, resolved(covariance)), u


def decomposed(
    covariance: tf.Tensor, device: Device | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Whether a symmetric matrix is finite, and its eigenvalues and eigenvectors."""
    finite, covariance = _finite(covariance)  # LAPACK raises on NaN, or does not return
    if device is None and tf.config.list_physical_devices("GPU"):
        device = "cpu"
    # `tf.device(None)` would undo a placement from outside.
    place = contextlib.nullcontext() if device is None else tf.device(f"/{device.upper()}:0")
    with place:
        return finite, *tf.linalg.eigh(covariance)


def resolved(covariance: tf.Tensor) -> tf.Tensor:
    """What the dtype resolves of a covariance's eigenvalues, (..., 1).

    An eigenvalue below the rounding of the covariance is noise, which an inverse root amplifies.
    """
    norm = _frobenius(tf.stop_gradient(covariance))
    return _ROUNDINGS * _resolution(covariance) * tf.squeeze(norm, -1)


def _frobenius(matrix: tf.Tensor) -> tf.Tensor:
    """The norm ||S||_F, (..., 1, 1), in float64, which has the squares of all float32."""
    norm = tf.norm(tf.cast(matrix, tf.float64), axis=[-2, -1], keepdims=True)
    return tf.cast(norm, matrix.dtype)


def _signed(w: tf.Tensor) -> tf.Tensor:
    """Rows turned so that the largest entry of each, or the first that is as large, is positive."""
    size = tf.abs(w)
    is_largest = size >= (1.0 - _SAME_SIZE) * tf.reduce_max(size, -1, keepdims=True)
    first = tf.argmax(tf.cast(is_largest, tf.int32), -1)
    entry = tf.gather(w, first, batch_dims=w.shape.rank - 1)
    sign = tf.where(tf.stop_gradient(entry) < 0.0, -tf.ones_like(entry), tf.ones_like(entry))
    return w * _as_column(sign)


def _resolution(matrix: tf.Tensor) -> float:
    """The distance from 1 to the next number of the matrix' dtype."""
    return float(np.finfo(matrix.dtype.name).eps)


def _finite(covariance: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    finite = tf.reduce_all(tf.math.is_finite(covariance), [-2, -1], keepdims=True)
    return finite, tf.where(finite, covariance, _identity_like(covariance))


def where_finite(finite: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    return tf.where(finite, w, tf.constant(np.nan, w.dtype))


def _shifted(matrix: tf.Tensor, value: tf.Tensor | float) -> tf.Tensor:
    return tf.linalg.set_diag(matrix, tf.linalg.diag_part(matrix) + value)


def _identity_like(matrix: tf.Tensor) -> tf.Tensor:
    return tf.eye(known_size(matrix), dtype=matrix.dtype)


def _as_column(vector: tf.Tensor) -> tf.Tensor:
    return tf.expand_dims(vector, -1)


def as_row(vector: tf.Tensor) -> tf.Tensor:
    return tf.expand_dims(vector, -2)


def _transpose(matrix: tf.Tensor) -> tf.Tensor:
    return tf.linalg.matrix_transpose(matrix)
