"""Second-order pooling as a Keras layer."""

import typing

import keras
import tensorflow as tf

from tfnorm import functional
from tfnorm.functional import groups
from tfnorm.functional.matrix_roots import RootMethod
from tfnorm.functional.whiteners import Device
from tfnorm.functional.whitening import find_scaling
from tfnorm.layers import base
from tfnorm.layers.arguments import check_boolean, check_device, check_epsilon, check_positive

_METHODS = ("newton", "eigh", None)


@keras.saving.register_keras_serializable(package="tfnorm")
class CovariancePooling(base.ChannelLayer):
    """Pools a sample's positions to the square root of the covariance of its channels.

    In the place of a global average pooling, before the last Dense layer: that keeps a mean of each
    channel, this what channels have together,

        Y = (1 / m  sum (x - mean) (x - mean)^T + epsilon I)^(1/2)

    over the m positions of a sample. The root brings the eigenvalues nearer to each other, without
    which the largest of them is all that the next layer sees.

    ```python
    layer = tfnorm.CovariancePooling()
    y = layer(np.random.normal(size=(2, 8, 8, 16)))
    assert y.shape == (2, 16 * 17 // 2)
    ```

    Args:
        method: how the root is found: "newton", Newton's iteration, the papers' faster one; "eigh",
            by eigenvectors; None takes none and gives the covariance itself.
        iterations: steps of Newton's iteration.
        scaling: what Newton's iteration divides the covariance by, see `BatchWhitening`; "trace" is
            the paper's.
        epsilon: added to the covariance's diagonal.
        triangle: whether the output is the entries on and above the diagonal, row by row; False
            gives the matrices.
        axis: the channels' axis, usually -1 or 1.
        device: where "eigh" decomposes: "cpu", "gpu", or None: the CPU if there is a GPU, else
            wherever TensorFlow likes.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 3 to 5, (batch, ..., channels) or with the channels at `axis`.
        training: changes no value. Second derivatives of "eigh", as of a gradient penalty, are
            there in training only; exported models do without them.
        mask: boolean, the shape of inputs without the channels' axis, as of a padded sequence, or
            with 1 in the place of a size, as (batch, 1), for all of its positions:
            where it is False, the position counts nothing.

    Returns:
        (batch, channels * (channels + 1) / 2), or (batch, channels, channels) without `triangle`.

    Raises:
        ValueError: inputs have no positions, or there is no such method or scaling.

    Covariances and roots are float32 whatever the compute dtype, float64 for float64. The gradient
    of "eigh" is closed and finite at equal eigenvalues, see `functional.sqrt`.

    Reference:
        Lin and Maji, "Improved Bilinear Pooling with CNNs", BMVC 2017,
        https://arxiv.org/abs/1707.06772; Li, Xie, Wang, Gao, "Towards Faster Training of Global
        Covariance Pooling Networks by Iterative Matrix Square Root Normalization", CVPR 2018,
        https://arxiv.org/abs/1712.01034, section 3.
    """

    def __init__(
        self,
        method: RootMethod | None = "newton",
        iterations: int = 5,
        scaling: str = "trace",
        epsilon: float = 1e-5,
        triangle: bool = True,
        axis: int = -1,
        device: Device | None = None,
        **kwargs: typing.Any,
    ) -> None:
        super().__init__(axis=axis, **kwargs)
        if method not in _METHODS:
            raise ValueError(f"`method` must be one of {_METHODS}. Received: method={method!r}")
        row = find_scaling(scaling)
        self.method: RootMethod | None = method
        self.iterations = check_positive("iterations", iterations)
        self.scaling = scaling
        self.epsilon = check_epsilon(epsilon)
        self.triangle = check_boolean("triangle", triangle)
        self.device: Device | None = check_device(device)
        self.supports_jit = method is None or (method == "newton" and not row.decomposes)

    def build(self, input_shape: base.Shape) -> None:
        super().build(input_shape)
        if len(input_shape) < 3:
            raise ValueError(
                "Inputs must have positions, (batch, ..., channels). Received: "
                f"input_shape={tuple(input_shape)}"
            )

    def call(
        self, inputs: tf.Tensor, training: bool = False, mask: tf.Tensor | None = None
    ) -> tf.Tensor:
        inputs, weights = self.masked(self.as_statistics(inputs), mask)
        x = groups.to_samples(inputs, self.axis)
        if weights is None:
            mean = tf.reduce_mean(x, axis=1, keepdims=True)
            count = tf.cast(tf.shape(x)[1], x.dtype)
            centered = x - mean
            covariance = tf.matmul(centered, centered, transpose_a=True) / count
        else:
            weights = tf.reshape(weights, [-1, tf.shape(x)[1], 1])
            # A sample of which nothing counts has a covariance of zeros.
            count = tf.maximum(tf.reduce_sum(weights, axis=1, keepdims=True), 1.0)
            mean = tf.reduce_sum(weights * x, axis=1, keepdims=True) / count
            centered = weights * (x - mean)
            covariance = tf.matmul(centered, centered, transpose_a=True) / count
        return tf.cast(self._flat(self._root(covariance, training)), self.compute_dtype)

    def _root(self, covariance, training):
        if self.method is None:
            diagonal = tf.linalg.diag_part(covariance) + self.epsilon
            return tf.linalg.set_diag(covariance, diagonal)
        return functional.sqrt(
            covariance,
            method=self.method,
            epsilon=self.epsilon,
            iterations=self.iterations,
            scaling=self.scaling,
            device=self.device,
            derivatives=4 if training else 1,
        )

    def _flat(self, matrices):
        if not self.triangle:
            return matrices
        size = self._channels
        entries = [row * size + column for row in range(size) for column in range(row, size)]
        return tf.gather(tf.reshape(matrices, [-1, size * size]), entries, axis=1)

    def compute_mask(self, inputs: tf.Tensor, previous_mask: tf.Tensor | None = None) -> None:
        """None: no position is left."""

    def compute_output_shape(self, input_shape: base.Shape) -> base.Shape:
        channels = input_shape[self.axis]
        if channels is None or not self.triangle:
            return (input_shape[0], channels, channels)
        return (input_shape[0], channels * (channels + 1) // 2)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {
            "method": self.method,
            "iterations": self.iterations,
            "scaling": self.scaling,
            "epsilon": self.epsilon,
            "triangle": self.triangle,
            "device": self.device,
        }
