"""Coloring as a Keras layer: a learned matrix that gives back what a whitening took away."""

import functools
import typing

import keras
import tensorflow as tf

from tfnorm.functional import groups
from tfnorm.functional.coloring import color_groups
from tfnorm.layers import base
from tfnorm.layers.arguments import (
    Constraint,
    ConstraintLike,
    Initializer,
    InitializerLike,
    Regularizer,
    RegularizerLike,
    check_boolean,
    check_group_size,
    get_constraint,
    get_initializer,
    get_regularizer,
)
from tfnorm.layers.matrices import add_matrices, initial_matrices


class KernelAndBias(base.ChannelLayer):
    """A layer with Dense's arguments for its `kernel` and `bias`."""

    def __init__(
        self,
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
        super().__init__(axis=axis, **kwargs)
        self.use_bias = check_boolean("use_bias", use_bias)
        self.kernel_initializer: Initializer = get_initializer(kernel_initializer)
        self.bias_initializer: Initializer = get_initializer(bias_initializer)
        self.kernel_regularizer: Regularizer | None = get_regularizer(kernel_regularizer)
        self.bias_regularizer: Regularizer | None = get_regularizer(bias_regularizer)
        self.kernel_constraint: Constraint | None = get_constraint(kernel_constraint)
        self.bias_constraint: Constraint | None = get_constraint(bias_constraint)

    def add_kernel(
        self, name: str, shape: tuple[int, ...], initializer: Initializer
    ) -> keras.Variable:
        """Adds a kernel of that name: `add_matrices`."""
        return add_matrices(
            self, name, shape, initializer, self.kernel_regularizer, self.kernel_constraint
        )

    def add_bias(self) -> keras.Variable | None:
        """Adds the bias, and returns it, or None without one."""
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
    not as the identity. With BigGAN's penalty of what is not orthogonal:

    ```python
    penalty = keras.regularizers.OrthogonalRegularizer(1e-4)
    layer = tfnorm.Coloring(kernel_regularizer=penalty)
    y = layer(np.random.normal(size=(2, 4, 4, 8)))
    assert layer.kernel.shape == (1, 8, 8) and len(layer.losses) == 1
    ```

    Args:
        group_size: channels in a group that is mixed within itself; None is one group of all. The
            last group takes what is left over.
        axis: the channels' axis, usually -1 or 1.
        use_bias: whether to add `bias`, (channels,).
        kernel_initializer, kernel_regularizer, kernel_constraint: of each group's matrix (size,
            size), as of a Dense's. `UnitNorm()` gives each output of a group weights of length 1.
        bias_initializer, bias_regularizer, bias_constraint: as in Dense.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs: rank 2 to 5, (batch, ..., channels) or with the channels at `axis`.

    Attributes:
        kernel: (groups, size, size), input channels before output channels; `kernel_last`
            (1, rest, rest) if there is a smaller last group.
        bias: (channels,), or None.

    Reference:
        Siarohin et al., "Whitening and Coloring Batch Transform for GANs", ICLR 2019,
        https://arxiv.org/abs/1806.00420, section 3.2.
    """

    kernel: keras.Variable
    kernel_last: keras.Variable
    bias: keras.Variable | None

    def __init__(
        self,
        group_size: int | None = None,
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
        self.group_size = check_group_size(group_size)

    def build(self, input_shape: base.Shape) -> None:
        super().build(input_shape)

        def add(name: str, block: groups.Block) -> keras.Variable:
            initializer = functools.partial(
                initial_matrices, self.kernel_initializer, first=block.start
            )
            return self.add_kernel(name, block.matrices_shape, initializer)

        self.add_block_weights("kernel", self.blocks(self.group_size), add)
        self.bias = self.add_bias()

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        inputs = self.as_compute(inputs)
        rows = groups.to_rows(inputs, self.axis)
        kernels = [tf.convert_to_tensor(kernel) for kernel in self.block_weights("kernel")]
        bias = None if self.bias is None else tf.convert_to_tensor(self.bias)
        y = color_groups(rows, kernels, bias, group_size=self.group_size)
        return groups.from_rows(y, inputs, self.axis)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {"group_size": self.group_size}
