"""Recoveries: what follows a normalization to give back what it took away."""

import copy
import typing

import keras
import tensorflow as tf

from tfnorm.functional import coloring, groups
from tfnorm.layers import base


@keras.saving.register_keras_serializable(package="tfnorm")
class CenterScale(base.ScaleAndShift):
    """Scales and shifts each channel: `y = gamma * x + beta`.

    The recovery of BatchNormalization as a layer of its own, after a normalization with
    `center=False, scale=False`.

    Args:
        axis: the channels' axis, usually -1 or 1.
        center: whether to add `beta`, (channels,).
        scale: whether to multiply by `gamma`, (channels,).
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
            gamma_constraint: as in BatchNormalization.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        gamma, beta = (
            None if weight is None else tf.cast(weight, self.compute_dtype)
            for weight in (self.gamma, self.beta)
        )
        return coloring.scale_and_shift(inputs, gamma, beta, self.axis)


class KernelAndBias(base.ChannelLayer):
    """A layer with Dense's arguments for its `kernel` and `bias`."""

    def __init__(
        self,
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
        super().__init__(axis=axis, **kwargs)
        self.use_bias = use_bias
        self.kernel_initializer = base.get_initializer(kernel_initializer)
        self.bias_initializer = base.get_initializer(bias_initializer)
        self.kernel_regularizer = base.get_regularizer(kernel_regularizer)
        self.bias_regularizer = base.get_regularizer(bias_regularizer)
        self.kernel_constraint = base.get_constraint(kernel_constraint)
        self.bias_constraint = base.get_constraint(bias_constraint)

    def add_kernel(
        self, name: str, shape: tuple[int, ...], initializer: base.Initializer
    ) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )

    def add_bias(self) -> keras.Variable | None:
        """The bias, or None without one."""
        if not self.use_bias:
            return None
        return self.add_weight(
            name="bias",
            shape=self.channel_shape,
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


@keras.saving.register_keras_serializable(package="tfnorm")
class Coloring(KernelAndBias):
    """Mixes channels by a learned matrix, a 1x1 convolution: `y = K^T x + b` at each position.

    The recovery of a whitening that can give back any covariance. Initialised as a convolution is,
    not as the identity. Reference: Siarohin et al., "Whitening and Coloring Batch Transform for
    GANs", ICLR 2019 (https://arxiv.org/abs/1806.00420), section 3.2.

    Args:
        group_size: channels in a group that is mixed within itself; None is one group of all. The
            last group takes what is left over.
        axis: the channels' axis, usually -1 or 1.
        use_bias: whether to add `bias`, (channels,).
        kernel_initializer: of each group's matrix (size, size).
        kernel_regularizer, kernel_constraint: of the kernels (groups, size, size).
        bias_initializer, bias_regularizer, bias_constraint: as in Dense.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.

    Attributes:
        kernel: (groups, size, size), input channels before output channels; `kernel_last`
            (1, rest, rest) if there is a smaller last group.
    """

    def __init__(
        self,
        group_size: int | None = None,
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
        base.check_group_size(group_size)
        super().__init__(
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
        self.group_size = group_size

    def build(self, input_shape: base.Shape) -> None:
        super().build(input_shape)
        self.add_block_weights("kernel", self.group_size, self._add_block_kernel)
        self.bias = self.add_bias()

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernels = [tf.convert_to_tensor(kernel) for kernel in self.block_weights("kernel")]
        bias = None if self.bias is None else tf.convert_to_tensor(self.bias)
        rows = groups.to_rows(inputs, self.axis)
        y = coloring.color_groups(rows, kernels, bias, group_size=self.group_size)
        return groups.from_rows(y, inputs, self.axis)

    def _add_block_kernel(self, name, block):
        def initializer(shape, dtype=None):
            return self._initial_kernel(block.start, shape, dtype)

        return self.add_kernel(name, (block.groups, block.size, block.size), initializer)

    def _initial_kernel(self, first, shape, dtype=None):
        """Each group's matrix by the initializer for itself: the fans are the group's."""
        matrices = []
        for group in range(shape[0]):
            initializer = copy.copy(self.kernel_initializer)
            seed = getattr(initializer, "seed", None)
            # One with a number for a seed returns the same matrix each time.
            if isinstance(seed, int):
                setattr(initializer, "seed", seed + first + group)  # noqa: B010
            matrix = tf.convert_to_tensor(initializer(shape[1:], dtype=dtype))
            matrices.append(matrix if dtype is None else tf.cast(matrix, dtype))
        return tf.stack(matrices)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {"group_size": self.group_size}
