"""Conditional recoveries: a scale and shift, or a coloring, for each class."""

import typing

import keras
import tensorflow as tf

from tfnorm.functional import coloring, groups
from tfnorm.layers import base
from tfnorm.layers.coloring import KernelAndBias


class Conditional(base.ChannelLayer):
    """A layer that is called with a label for each sample, and has weights for each class."""

    def __init__(self, num_classes: int, axis: int = -1, **kwargs: typing.Any):
        base.check_positive("num_classes", num_classes)
        super().__init__(axis=axis, **kwargs)
        self.num_classes = num_classes

    @property
    def channel_shape(self) -> tuple[int, ...]:
        return (self.num_classes, self._channels)

    def compute_output_spec(self, inputs: typing.Any, labels: typing.Any) -> typing.Any:
        # Keras makes a functional model without running `call`.
        _check_labels(inputs, labels)
        return super().compute_output_spec(inputs, labels)

    def checked(self, labels: typing.Any, inputs: tf.Tensor) -> tf.Tensor:
        """The labels as int64 (batch,), each of them a class."""
        labels = tf.convert_to_tensor(labels)
        _check_labels(inputs, labels)
        labels = tf.reshape(tf.cast(labels, tf.int64), tf.shape(inputs)[:1])
        low, high = tf.reduce_min(labels), tf.reduce_max(labels)
        rule = f"`labels` must be in [0, {self.num_classes}). Received: labels from"
        are_classes = (low >= 0) & (high < self.num_classes)
        with tf.control_dependencies([tf.debugging.Assert(are_classes, [rule, low, "to", high])]):
            return tf.identity(labels)

    def rows_of(self, weight: typing.Any, labels: tf.Tensor) -> tf.Tensor:
        """Each label's row of a weight (classes, n); NaN for a label that is no class."""
        # XLA drops the assertion, and would take the nearest class.
        known = (labels >= 0) & (labels < self.num_classes)
        return tf.where(known[:, tf.newaxis], _gather(weight, labels), float("nan"))

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {"num_classes": self.num_classes}


def _check_labels(inputs, labels):
    batch, shape = inputs.shape[0], tf.TensorShape(labels.shape)
    fits = shape.is_compatible_with([batch]) or shape.is_compatible_with([batch, 1])
    dtype = tf.as_dtype(labels.dtype)
    if not (fits and dtype.is_integer):
        raise ValueError(
            "`labels` must be integers (batch,) or (batch, 1), one for each sample. Received: "
            f"labels.dtype={dtype.name}, labels.shape={shape}, "
            f"inputs.shape={tf.TensorShape(inputs.shape)}"
        )


def _gather(weight, labels):
    """weight[label] for each label, with a gradient that is dense for the sake of the reshape.

    In a sparse one a class comes once a sample, and Keras' Adam squares these, not their sum.
    """
    weight = tf.convert_to_tensor(weight)
    return tf.gather(tf.reshape(weight, weight.shape), labels)


def _color(inputs, kernels, bias, axis):
    """`coloring.color_samples` of inputs of any rank."""
    y = coloring.color_samples(groups.to_samples(inputs, axis), kernels, bias)
    return groups.from_rows(tf.reshape(y, [-1, y.shape[-1]]), inputs, axis)


@keras.saving.register_keras_serializable(package="tfnorm")
class ConditionalCenterScale(Conditional, base.ScaleAndShift):
    """Scales and shifts each channel as the sample's class does: `y = gamma_c * x + beta_c`.

    The recovery of conditional batch normalization as a layer of its own.

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
        Siarohin et al., "Whitening and Coloring Batch Transform for GANs", ICLR 2019
        (https://arxiv.org/abs/1806.00420).
    """

    def __init__(
        self,
        num_classes: int,
        axis: int = -1,
        center: bool = True,
        scale: bool = True,
        beta_initializer: base.Initializer = "zeros",
        gamma_initializer: base.Initializer = "ones",
        beta_regularizer: base.Regularizer = None,
        gamma_regularizer: base.Regularizer = None,
        beta_constraint: base.Constraint = None,
        gamma_constraint: base.Constraint = None,
        **kwargs: typing.Any,
    ):
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

    def call(self, inputs: tf.Tensor, labels: typing.Any) -> tf.Tensor:
        labels = self.checked(labels, inputs)
        gamma, beta = (
            None if weight is None else self.rows_of(tf.cast(weight, self.compute_dtype), labels)
            for weight in (self.gamma, self.beta)
        )
        return coloring.scale_and_shift(inputs, gamma, beta, self.axis)


@keras.saving.register_keras_serializable(package="tfnorm")
class ConditionalColoring(Conditional, KernelAndBias):
    """Mixes channels by a matrix of the sample's class: `y = K_c^T x + b_c` at each position.

    The conditional part of the paper's conditional coloring, which adds one for all classes:

    ```python
    y = tfnorm.BatchWhitening(center=False, scale=False)(x)
    y = tfnorm.Coloring()(y) + tfnorm.ConditionalColoring(num_classes=10)(y, labels)
    ```

    Args:
        num_classes: number of classes.
        axis: the channels' axis, usually -1 or 1.
        use_bias: whether to add `bias`, (classes, channels).
        kernel_initializer: of all classes' kernels at once, which Glorot's takes for positions of a
            convolution, as in the authors' code: its limit is sqrt(6 / (classes * 2 channels)).
        bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint:
            as in Dense.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.
        labels: integers in [0, num_classes), (batch,) or (batch, 1). Others are an
            InvalidArgumentError, and under XLA, which has no assertions, give NaN.

    Attributes:
        kernel: (classes, channels, channels), input channels before output channels.

    Reference:
        Siarohin et al., "Whitening and Coloring Batch Transform for GANs", ICLR 2019
        (https://arxiv.org/abs/1806.00420) (cWC).
    """

    def __init__(
        self,
        num_classes: int,
        axis: int = -1,
        use_bias: bool = True,
        kernel_initializer: base.Initializer = "glorot_uniform",
        bias_initializer: base.Initializer = "zeros",
        kernel_regularizer: base.Regularizer = None,
        bias_regularizer: base.Regularizer = None,
        kernel_constraint: base.Constraint = None,
        bias_constraint: base.Constraint = None,
        **kwargs: typing.Any,
    ):
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

    def call(self, inputs: tf.Tensor, labels: typing.Any) -> tf.Tensor:
        labels = self.checked(labels, inputs)
        # The bias makes unknown labels NaN, so that there is always one: kernels would cost more.
        bias = tf.zeros(self.channel_shape, inputs.dtype) if self.bias is None else self.bias
        bias = self.rows_of(bias, labels)
        if inputs.shape.rank == 2:
            one_hot = tf.one_hot(labels, self.num_classes, dtype=inputs.dtype)
            return coloring.color_vectors(inputs, one_hot, tf.convert_to_tensor(self.kernel)) + bias
        return _color(inputs, _gather(self.kernel, labels), bias, self.axis)


@keras.saving.register_keras_serializable(package="tfnorm")
class FactorizedColoring(Conditional):
    """Mixes channels by a matrix of the sample's class, composed of a few that all classes share.

    `y = K_c^T x` at each position, with `K_c = sum_r a_{c,r} K_r` and `a_c` the class's row of
    `class_matrix` over its length (a row shorter than 1e-6 is divided by that). The conditional
    part of the paper's coloring by soft assignment, which adds a `Coloring`; for many classes.

    Args:
        num_classes: number of classes.
        rank: number of shared matrices; the authors take 4 for 10 classes and 10 for 100.
        axis: the channels' axis, usually -1 or 1.
        kernel_initializer: of the shared matrices at once, which Glorot's takes for positions of a
            convolution, as in the authors' code: its limit is sqrt(6 / (rank * 2 channels)).
        class_matrix_initializer: of the classes' coefficients.
        kernel_regularizer, class_matrix_regularizer, kernel_constraint, class_matrix_constraint: as
            in Dense.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.
        labels: integers in [0, num_classes), (batch,) or (batch, 1). Others are an
            InvalidArgumentError, and under XLA, which has no assertions, give NaN.

    Attributes:
        kernel: (rank, channels, channels), input channels before output channels.
        class_matrix: (classes, rank).

    Reference:
        Siarohin et al., "Whitening and Coloring Batch Transform for GANs", ICLR 2019
        (https://arxiv.org/abs/1806.00420) (cWC_sa).
    """

    def __init__(
        self,
        num_classes: int,
        rank: int,
        axis: int = -1,
        kernel_initializer: base.Initializer = "glorot_uniform",
        class_matrix_initializer: base.Initializer = "glorot_uniform",
        kernel_regularizer: base.Regularizer = None,
        class_matrix_regularizer: base.Regularizer = None,
        kernel_constraint: base.Constraint = None,
        class_matrix_constraint: base.Constraint = None,
        **kwargs: typing.Any,
    ):
        base.check_positive("rank", rank)
        super().__init__(num_classes, axis=axis, **kwargs)
        self.rank = rank
        self.kernel_initializer = base.get_initializer(kernel_initializer)
        self.class_matrix_initializer = base.get_initializer(class_matrix_initializer)
        self.kernel_regularizer = base.get_regularizer(kernel_regularizer)
        self.class_matrix_regularizer = base.get_regularizer(class_matrix_regularizer)
        self.kernel_constraint = base.get_constraint(kernel_constraint)
        self.class_matrix_constraint = base.get_constraint(class_matrix_constraint)

    def build(self, input_shape: base.Shape) -> None:
        super().build(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.rank, self._channels, self._channels),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.class_matrix = self.add_weight(
            name="class_matrix",
            shape=(self.num_classes, self.rank),
            initializer=self.class_matrix_initializer,
            regularizer=self.class_matrix_regularizer,
            constraint=self.class_matrix_constraint,
            autocast=False,
        )

    def call(self, inputs: tf.Tensor, labels: typing.Any) -> tf.Tensor:
        labels = self.checked(labels, inputs)
        # In float32 at least: float16 rounds the epsilon to 0.
        coefficients = self.rows_of(self.as_statistics(self.class_matrix), labels)
        coefficients = coloring.unit_rows(coefficients)
        kernel = tf.convert_to_tensor(self.kernel)
        coefficients = tf.cast(coefficients, kernel.dtype)
        if inputs.shape.rank == 2:
            return coloring.color_vectors(inputs, coefficients, kernel)
        return _color(inputs, coloring.mixed_kernels(coefficients, kernel), None, self.axis)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {
            "rank": self.rank,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "class_matrix_initializer": keras.initializers.serialize(self.class_matrix_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "class_matrix_regularizer": keras.regularizers.serialize(self.class_matrix_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "class_matrix_constraint": keras.constraints.serialize(self.class_matrix_constraint),
        }
