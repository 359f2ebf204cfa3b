"""Unitization: the supplement's four functions g of samples.

Reference: Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.1.
"""

import typing

import numpy.typing as npt
import tensorflow as tf

# What TensorFlow takes for a tensor.
Numbers = tf.Tensor | npt.NDArray[typing.Any]


def vanilla_unitization(x: tf.Tensor, constant: Numbers) -> tf.Tensor:
    """Divides by the norm: g(x) = x / ||x||, and `constant` where x = 0.

    Theorem 3.1 asks for ||constant|| = 1.

    ```python
    x, constant = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([1.0, 0.0])
    y = tfnorm.functional.vanilla_unitization(x, constant)
    assert np.allclose(y, [[0.6, 0.8], [1.0, 0.0]])
    ```

    Args:
        x: samples (n, d).
        constant: (d,).

    Returns:
        (n, d).

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.1, and Theorem 3.1.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    norm, is_zero = _norm(x)
    return tf.where(is_zero, constant, x / norm)


def scalar_unitization(
    x: tf.Tensor,
    alpha: Numbers | float,
    constant: Numbers,
) -> tf.Tensor:
    """Divides by the norm as far as a number says, and is `constant` where x = 0 and alpha = 1.

        g(x; alpha) = x / (alpha ||x|| + 1 - alpha)

    ```python
    x, constant = np.array([[3.0, 4.0]]), np.array([1.0, 0.0])
    y = tfnorm.functional.scalar_unitization(x, 0.5, constant)
    assert np.allclose(y, x / (0.5 * 5 + 0.5))
    ```

    Args:
        x: samples (n, d).
        alpha: scalar in [0, 1] (Theorem 3.2).
        constant: (d,).

    Returns:
        (n, d).

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.1, and Theorem 3.2.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    denominator, undefined = _denominator(x, tf.convert_to_tensor(alpha, x.dtype))
    return tf.where(undefined, constant, x / denominator)


def vector_unitization(x: tf.Tensor, alpha: Numbers) -> tf.Tensor:
    """Divides by the norm as far as a vector says, and is 0 where x = 0.

        g(x; alpha) = ((||x|| - 1) diag(alpha) + E)^-1 x

    ```python
    y = tfnorm.functional.vector_unitization(np.array([[3.0, 4.0]]), np.array([0.0, 1.0]))
    assert np.allclose(y, [[3.0, 4.0 / 5.0]])
    ```

    Args:
        x: samples (n, d).
        alpha: (d,), in [0, 1] (Theorem 3.3).

    Returns:
        (n, d).

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.1, and Theorem 3.3.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    denominator, _ = _denominator(x, tf.convert_to_tensor(alpha, x.dtype))
    return x / denominator


def practical_unitization(
    x: tf.Tensor,
    alpha: tf.Tensor,
    epsilon: float = 1e-3,
    *,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Scales by the norm as far as a vector says, which may be learned.

        g(x; alpha, epsilon) = [alpha / sqrt(||x||^2 + epsilon) + (1 - alpha)] * x

    ```python
    x = tf.constant([[3.0, 4.0]])
    y = tfnorm.functional.practical_unitization(x, tf.constant([0.0, 1.0]), epsilon=1e-6)
    assert np.allclose(y, [[3.0, 4.0 / 5.0]], atol=1e-4)
    ```

    Args:
        x: (n, ..., d); the norm is over all axes but the first.
        alpha: (d,), any real number (Theorem 3.4).
        epsilon: > 0.
        weights: (n, ...), 1 for positions that count in the norm and 0 for those that do not; None
            for ones.

    Returns:
        The shape of x.

    Reference:
        Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
        Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 1.1, and Theorem 3.4.
        https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """
    axes = list(range(1, x.shape.rank))
    counted = x if weights is None else x * tf.expand_dims(weights, -1)
    square = tf.reduce_sum(tf.square(counted), axes, keepdims=True)
    return (alpha * tf.math.rsqrt(square + epsilon) + (1.0 - alpha)) * x


def _norm(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The norms (n, 1), 1 in place of 0, so that no gradient is divided by 0; and where 0 was."""
    square = tf.reduce_sum(tf.square(x), -1, keepdims=True)
    is_zero = tf.equal(square, 0.0)
    return tf.sqrt(tf.where(is_zero, tf.ones_like(square), square)), is_zero


def _denominator(x: tf.Tensor, alpha: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """alpha ||x|| + 1 - alpha, which at x = 0 is 1 - alpha for the gradient too.

    Where alpha = 1 there, it is 1 in place of 0; and where that is.
    """
    norm, is_zero = _norm(x)
    undefined = tf.logical_and(is_zero, tf.equal(alpha, 1.0))
    denominator = alpha * tf.where(is_zero, tf.zeros_like(norm), norm) + (1.0 - alpha)
    return tf.where(undefined, tf.ones_like(denominator), denominator), undefined
