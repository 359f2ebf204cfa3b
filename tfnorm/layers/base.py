"""What the layers share: channels, and scale and shift under BatchNormalization's names.

Nothing here is public.
"""

import typing
from collections.abc import Sequence

import keras
import tensorflow as tf

from tfnorm.functional import groups, statistics
from tfnorm.layers.arguments import (
    Constraint,
    ConstraintLike,
    Initializer,
    InitializerLike,
    Regularizer,
    RegularizerLike,
    check_axis,
    check_boolean,
    check_epsilon,
    check_momentum,
    get_constraint,
    get_initializer,
    get_regularizer,
)
from tfnorm.layers.blocks import BlockWeights

# Sizes of a tensor's axes, None where they are not known.
Shape = tuple[int | None, ...]


def statistics_dtype(layer: keras.layers.Layer) -> str:
    """Names what a layer keeps statistics and matrices in: float32, or float64 for such input."""
    return "float64" if layer.compute_dtype == "float64" else "float32"


class ChannelLayer(BlockWeights, keras.layers.Layer):
    """A layer that does something to each channel: knows its axis and how many there are."""

    _channels: int

    def __init__(self, axis: int = -1, **kwargs: typing.Any) -> None:
        super().__init__(**kwargs)
        self.axis = check_axis(axis)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        rank = len(input_shape)
        if not 2 <= rank <= 5:
            raise ValueError(
                "Inputs must have rank 2 to 5, (batch, [up to three spatial axes,] channels). "
                f"Received: input_shape={tuple(input_shape)}"
            )
        if not -rank < self.axis < rank:
            raise ValueError(
                f"`axis` must be an axis of the input other than the first. Received: "
                f"axis={self.axis}, input_shape={tuple(input_shape)}"
            )
        channels = input_shape[self.axis]
        if not channels:
            raise ValueError(
                "The channel dimension must be defined and not 0. Received: "
                f"axis={self.axis}, input_shape={tuple(input_shape)}"
            )
        self.input_spec: keras.layers.InputSpec = keras.layers.InputSpec(
            ndim=rank, axes={self.axis: channels}
        )
        self._channels = channels

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    @property
    def statistics_dtype(self) -> str:
        """float32, or float64 for float64 input: what statistics and matrices are kept in."""
        return statistics_dtype(self)

    def blocks(self, group_size: int | None) -> list[groups.Block]:
        """Cuts the channels into groups: `groups.blocks`."""
        return groups.blocks(self._channels, group_size)

    @property
    def channel_shape(self) -> tuple[int, ...]:
        """The shape of a weight that has a number for each channel."""
        return (self._channels,)

    def add_channel_weight(
        self,
        name: str,
        initializer: Initializer,
        regularizer: Regularizer | None = None,
        constraint: Constraint | None = None,
    ) -> keras.Variable:
        """Adds a weight that is trained, with a number for each channel."""
        return self.add_weight(
            name=name,
            shape=self.channel_shape,
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
            autocast=False,
        )

    def add_statistic(
        self, name: str, shape: tuple[int, ...], initializer: Initializer
    ) -> keras.Variable:
        """Adds a weight that no optimizer trains, and that unsynchronised replicas average."""
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype=self.statistics_dtype,
            trainable=False,
            autocast=False,
            aggregation="mean",
        )

    def as_compute(self, value: tf.Tensor) -> tf.Tensor:
        """Casts inputs to the compute dtype: Keras does floating ones only."""
        return tf.cast(value, self.compute_dtype)

    def as_statistics(self, value: tf.Tensor | keras.Variable) -> tf.Tensor:
        """Casts a tensor or weight to `statistics_dtype`."""
        return tf.cast(value, self.statistics_dtype)

    def masked(
        self, inputs: tf.Tensor, mask: tf.Tensor | Sequence[typing.Any] | None
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Makes a mask (or None) weights, and inputs that such weights keep out of statistics.

        Returns:
            The inputs, with 0 for what is not finite where the mask is False, as 0 times NaN is
            NaN; and weights (positions,) of `groups.to_rows(inputs)`.
        """
        if mask is None:
            return inputs, None
        counted = tf.convert_to_tensor(mask)
        sizes, axis = list(inputs.shape), self.axis % len(inputs.shape)
        del sizes[axis]
        if len(counted.shape) != len(sizes) or any(
            None not in (size, whole) and size not in (1, whole)
            for size, whole in zip(counted.shape, sizes, strict=True)
        ):
            raise ValueError(
                "`mask` must have the shape of the inputs without the channels' axis, or 1 in the "
                f"place of a size. Received: mask.shape={tuple(counted.shape)}, "
                f"inputs.shape={tuple(inputs.shape)}"
            )
        if None in sizes or list(counted.shape) != sizes:
            shape = tf.shape(inputs)
            counted = tf.broadcast_to(counted, tf.concat([shape[:axis], shape[axis + 1 :]], 0))
        counts = tf.expand_dims(tf.cast(counted, tf.bool), self.axis)
        inputs = tf.where(counts | tf.math.is_finite(inputs), inputs, tf.zeros_like(inputs))
        return inputs, tf.cast(tf.reshape(counted, [-1]), self.statistics_dtype)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {"axis": self.axis}


class ScaleAndShift(ChannelLayer):
    """A layer with BatchNormalization's `gamma` and `beta`, (channels,) each, or without them."""

    gamma: keras.Variable | None
    beta: keras.Variable | None

    def __init__(
        self,
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
        super().__init__(axis=axis, **kwargs)
        self.center = check_boolean("center", center)
        self.scale = check_boolean("scale", scale)
        self.beta_initializer: Initializer = get_initializer(beta_initializer)
        self.gamma_initializer: Initializer = get_initializer(gamma_initializer)
        self.beta_regularizer: Regularizer | None = get_regularizer(beta_regularizer)
        self.gamma_regularizer: Regularizer | None = get_regularizer(gamma_regularizer)
        self.beta_constraint: Constraint | None = get_constraint(beta_constraint)
        self.gamma_constraint: Constraint | None = get_constraint(gamma_constraint)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_channel_weight(
                "gamma", self.gamma_initializer, self.gamma_regularizer, self.gamma_constraint
            )
        if self.center:
            self.beta = self.add_channel_weight(
                "beta", self.beta_initializer, self.beta_regularizer, self.beta_constraint
            )

    def gamma_and_beta(self, dtype: str) -> tuple[tf.Tensor | None, tf.Tensor | None]:
        """Casts gamma and beta to a dtype; None is what the layer does not have."""
        gamma = None if self.gamma is None else tf.cast(self.gamma, dtype)
        beta = None if self.beta is None else tf.cast(self.beta, dtype)
        return gamma, beta

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": keras.initializers.serialize(self.beta_initializer),
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "beta_regularizer": keras.regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": keras.regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": keras.constraints.serialize(self.beta_constraint),
            "gamma_constraint": keras.constraints.serialize(self.gamma_constraint),
        }


class BatchStatistics(ScaleAndShift):
    """A layer that normalises by batch statistics in training and by moving ones in inference.

    The arguments that it does not name are those of `ScaleAndShift`. Batch renormalization is
    refused; it is an argument so that the configuration of a BatchNormalization makes such a layer.
    """

    moving_mean: keras.Variable

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        moving_mean_initializer: InitializerLike = "zeros",
        moving_variance_initializer: InitializerLike = "ones",
        synchronized: bool = False,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        **kwargs: typing.Any,
    ) -> None:
        if check_boolean("renorm", renorm):
            raise ValueError(
                "`renorm` must be False, as tfnorm has no batch renormalization. "
                f"Received: renorm={renorm}"
            )
        super().__init__(axis=axis, **kwargs)
        self.momentum = check_momentum(momentum)
        self.epsilon = check_epsilon(epsilon)
        self.moving_mean_initializer: Initializer = get_initializer(moving_mean_initializer)
        self.moving_variance_initializer: Initializer = get_initializer(moving_variance_initializer)
        self.synchronized = check_boolean("synchronized", synchronized)

    @property
    def sum_replicas(self) -> statistics.SumReplicas:
        """What sums statistics: over all replicas if synchronized, else over this one."""
        return statistics.all_replicas if self.synchronized else statistics.one_replica

    def follow(self, weights: Sequence[keras.Variable], values: Sequence[tf.Tensor]) -> None:
        """Moves each weight towards the value of this batch."""
        old = [tf.convert_to_tensor(weight) for weight in weights]
        new = statistics.moving_average(old, values, self.momentum)
        for weight, value in zip(weights, new, strict=True):
            weight.assign(value)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "moving_mean_initializer": keras.initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": keras.initializers.serialize(
                self.moving_variance_initializer
            ),
            "synchronized": self.synchronized,
        }
