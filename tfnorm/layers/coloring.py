"""Recoveries: what follows a normalization to give back what it took away."""

import copy
import functools

import keras
import tensorflow as tf

from tfnorm.functional import groups
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

    def call(self, inputs):
        gamma, beta = (
            None if weight is None else tf.cast(weight, self.compute_dtype)
            for weight in (self.gamma, self.beta)
        )
        return scale_and_shift(inputs, gamma, beta, self.axis)


def scale_and_shift(x, gamma, beta, axis):
    """gamma * x + beta, each None, (channels,), or (batch, channels) with a row for each sample."""
    shape = [-1] + [1] * (x.shape.rank - 1)
    shape[axis] = x.shape[axis]
    y = x if gamma is None else x * tf.reshape(gamma, shape)
    return y if beta is None else y + tf.reshape(beta, shape)


class KernelAndBias(base.ChannelLayer):
    """A layer with Dense's arguments for its `kernel` and `bias`."""

    def __init__(
        self,
        axis=-1,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(axis=axis, **kwargs)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    def add_kernel(self, name, shape, initializer):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )

    def add_bias(self):
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

    def get_config(self):
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
    GANs", ICLR 2019, section 3.2.

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

    def __init__(self, group_size=None, axis=-1, use_bias=True, **kwargs):
        base.check_group_size(group_size)
        super().__init__(axis=axis, use_bias=use_bias, **kwargs)
        self.group_size = group_size

    def build(self, input_shape):
        super().build(input_shape)
        self._kernels = []
        for block, name in zip(
            groups.blocks(self._channels, self.group_size), ("kernel", "kernel_last"), strict=False
        ):
            shape = (block.groups, block.size, block.size)
            initializer = functools.partial(self._initial_kernel, block.start)
            self._kernels.append(self.add_kernel(name, shape, initializer))
            setattr(self, name, self._kernels[-1])
        self.bias = self.add_bias()

    def call(self, inputs):
        rows = groups.to_rows(inputs, self.axis)
        parts = []
        for block, kernel in zip(
            groups.blocks(self._channels, self.group_size), self._kernels, strict=True
        ):
            layout = groups.layout(block)
            part = layout.split(rows[:, block.start : block.start + block.channels])
            kernel = tf.convert_to_tensor(kernel)
            parts.append(layout.merge(layout.apply_transposed(part, kernel)))
        y = parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1)
        if self.bias is not None:
            y = tf.nn.bias_add(y, tf.convert_to_tensor(self.bias))
        return groups.from_rows(y, inputs, self.axis)

    def _initial_kernel(self, first, shape, dtype=None):
        """Each group's matrix by the initializer for itself: the fans are the group's."""
        matrices = []
        for group in range(shape[0]):
            initializer = copy.copy(self.kernel_initializer)
            # One with a number for a seed returns the same matrix each time.
            if isinstance(getattr(initializer, "seed", None), int):
                initializer.seed += first + group
            matrices.append(tf.cast(initializer(shape[1:], dtype=dtype), dtype))
        return tf.stack(matrices)

    def get_config(self):
        return super().get_config() | {"group_size": self.group_size}
