"""Conditional recoveries: a scale and shift, or a coloring, for each class."""

import typing

import keras
import tensorflow as tf

from tfnorm import keras_internals
from tfnorm.functional import coloring, groups
from tfnorm.functional.labels import rows_of_labels, rows_of_labels_or_nan
from tfnorm.layers import base
from tfnorm.layers.arguments import (
    ConstraintLike,
    InitializerLike,
    RegularizerLike,
    check_positive,
)
from tfnorm.layers.coloring import KernelAndBias


class Conditional(base.ChannelLayer):
    """A layer that is called with a label for each sample, and has weights for each class."""

    def __init__(self, num_classes: int, axis: int = -1, **kwargs: typing.Any) -> None:
        super().__init__(axis=axis, **kwargs)
        self.num_classes = check_positive("num_classes", num_classes)

    @property
    def channel_shape(self) -> tuple[int, ...]:
        return (self.num_classes, self._channels)

    def compute_output_spec(
        self, inputs: keras.KerasTensor, labels: keras.KerasTensor
    ) -> keras.KerasTensor:
        # Keras makes a functional model without running `call`.
        _check_labels(inputs, labels)
        return super().compute_output_spec(inputs, labels)

    def checked_labels(self, labels: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
        """Casts labels to int64 (batch,), and checks that there is one a sample, each a class."""
        labels = tf.convert_to_tensor(labels)
        _check_labels(inputs, labels)
        labels = tf.reshape(tf.cast(labels, tf.int64), tf.shape(inputs)[:1])
        low, high = tf.reduce_min(labels), tf.reduce_max(labels)
        rule = f"`labels` must be in [0, {self.num_classes}). Received: labels from"
        are_classes = (low >= 0) & (high < self.num_classes)
        with tf.control_dependencies([tf.debugging.Assert(are_classes, [rule, low, "to", high])]):
            return tf.identity(labels)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {"num_classes": self.num_classes}


def _check_labels(
    inputs: tf.Tensor | keras.KerasTensor, labels: tf.Tensor | keras.KerasTensor
) -> None:
    """Checks the type and shape of labels."""
    batch, shape = inputs.shape[0], tf.TensorShape(labels.shape)
    fits = shape.is_compatible_with([batch]) or shape.is_compatible_with([batch, 1])
    dtype = tf.as_dtype(labels.dtype)
    if not (fits and (dtype.is_integer or keras_internals.builds_model())):
        raise ValueError(
            "`labels` must be integers (batch,) or (batch, 1), one for each sample. Received: "
            f"labels.dtype={dtype.name}, labels.shape={shape}, "
            f"inputs.shape={tf.TensorShape(inputs.shape)}"
        )


def color_inputs(
    inputs: tf.Tensor, kernels: tf.Tensor, bias: tf.Tensor | None, axis: int
) -> tf.Tensor:
    """Does as `coloring.color_samples` with inputs of any rank."""
    y = coloring.color_samples(groups.to_samples(inputs, axis), kernels, bias)
    return groups.from_rows(tf.reshape(y, [-1, y.shape[-1]]), inputs, axis)


@keras.saving.register_keras_serializable(package="tfnorm")
class ConditionalCenterScale(Conditional, base.ScaleAndShift):
    """Scales and shifts each channel as the sample's class does: `y = gamma_c * x + beta_c`.

    The recovery of conditional batch normalization as a layer of its own.

    ```python
    layer = tfnorm.ConditionalCenterScale(num_classes=10)
    y = layer(np.random.normal(size=(2, 4, 4, 8)), labels=np.array([3, 7]))
    assert layer.gamma.shape == (10, 8)
    ```

    Args:
        num_classes: number of classes.
        axis: the channels' axis, usually -1 or 1.
        center: whether to add `beta`, (classes, channels).
        scale: whether to multiply by `gamma`, (classes, channels).
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
            gamma_constraint: as in BatchNormalization.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.
        labels: integers in [0, num_classes), (batch,) or (batch, 1). Others are an
            InvalidArgumentError, and under XLA, which has no assertions, give NaN.

    Reference:
        Siarohin et al., "Whitening and Coloring Batch Transform for GANs", ICLR 2019,
        https://arxiv.org/abs/1806.00420.
    """

    def __init__(
        self,
        num_classes: int,
        axis: int = -1,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike | None = None,
        gamma_regularizer: RegularizerLike | None = None,
        beta_constraint: ConstraintLike | None = None,
        gamma_constraint: ConstraintLike | None = None,
        **kwargs: typing.Any,
    ) -> None:
        super().__init__(
            num_classes,
            axis=axis,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )

    def call(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        inputs = self.as_compute(inputs)
        labels = self.checked_labels(labels, inputs)
        gamma, beta = (
            None if weight is None else rows_of_labels_or_nan(weight, labels, self.num_classes)
            for weight in self.gamma_and_beta(self.compute_dtype)
        )
        return coloring.scale_and_shift(inputs, gamma, beta, self.axis)


@keras.saving.register_keras_serializable(package="tfnorm")
class ConditionalColoring(Conditional, KernelAndBias):
    """Mixes channels by a matrix of the sample's class: `y = K_c^T x + b_c` at each position.

    The conditional part of the paper's conditional coloring, which adds one for all classes:

    ```python
    x, labels = keras.Input((4, 4, 8)), keras.Input((), dtype="int32")
    y = tfnorm.BatchWhitening(center=False, scale=False)(x)
    y = tfnorm.Coloring()(y) + tfnorm.ConditionalColoring(num_classes=10)(y, labels)
    model = keras.Model([x, labels], y)
    ```

    Args:
        num_classes: number of classes.
        axis: the channels' axis, usually -1 or 1.
        use_bias: whether to add `bias`, (classes, channels).
        kernel_initializer: of all classes' kernels at once, which Glorot's takes for positions of a
            convolution, as in the authors' code: its limit is sqrt(6 / (classes * 2 channels)).
            `Orthogonal` and `Identity` make each class's matrix.
        kernel_regularizer, kernel_constraint: of each class's matrix, as of a Dense's.
        bias_initializer, bias_regularizer, bias_constraint: of the (classes, channels).
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.
        labels: integers in [0, num_classes), (batch,) or (batch, 1). Others are an
            InvalidArgumentError, and under XLA, which has no assertions, give NaN.

    Attributes:
        kernel: (classes, channels, channels), input channels before output channels.
        bias: (classes, channels), or None.

    Reference:
        Siarohin et al., "Whitening and Coloring Batch Transform for GANs", ICLR 2019,
        https://arxiv.org/abs/1806.00420 (cWC).
    """

    kernel: keras.Variable
    bias: keras.Variable | None

    def __init__(
        self,
        num_classes: int,
        axis: int = -1,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike | None = None,
        bias_regularizer: RegularizerLike | None = None,
        kernel_constraint: ConstraintLike | None = None,
        bias_constraint: ConstraintLike | None = None,
        **kwargs: typing.Any,
    ) -> None:
        super().__init__(
            num_classes,
            axis=axis,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )

    def build(self, input_shape: base.Shape) -> None:
        super().build(input_shape)
        shape = (self.num_classes, self._channels, self._channels)
        self.kernel = self.add_kernel("kernel", shape, self.kernel_initializer)
        self.bias = self.add_bias()

    def call(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        inputs = self.as_compute(inputs)
        labels = self.checked_labels(labels, inputs)
        kernel = tf.convert_to_tensor(self.kernel)
        # The bias makes unknown labels NaN, so that there is always one: kernels would cost more.
        if self.bias is None:
            bias = tf.zeros(self.channel_shape, inputs.dtype)
        else:
            bias = tf.convert_to_tensor(self.bias)
        bias = rows_of_labels_or_nan(bias, labels, self.num_classes)
        if inputs.shape.rank == 2:
            one_hot = tf.one_hot(labels, self.num_classes, dtype=inputs.dtype)
            return coloring.color_vectors(inputs, one_hot, kernel, bias)
        return color_inputs(inputs, rows_of_labels(kernel, labels), bias, self.axis)
