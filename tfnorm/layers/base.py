"""What the layers share: arguments, channels, and scale and shift under BatchNormalization's names.

Nothing here is public.
"""

import collections.abc
import numbers
import typing

import keras
import tensorflow as tf

from tfnorm.functional import groups, statistics

# What Keras takes for an initializer, a regularizer and a constraint.
Initializer: typing.TypeAlias = (
    str | dict | keras.initializers.Initializer | collections.abc.Callable
)
Regularizer: typing.TypeAlias = (
    str | dict | keras.regularizers.Regularizer | collections.abc.Callable | None
)
Constraint: typing.TypeAlias = (
    str | dict | keras.constraints.Constraint | collections.abc.Callable | None
)
Shape: typing.TypeAlias = tuple[int | None, ...]

# Of the names of a weight for each block of groups: the equal groups', and the smaller last one's.
BLOCK_SUFFIXES = ("", "_last")


def get_initializer(identifier: Initializer) -> collections.abc.Callable[..., tf.Tensor]:
    """The initializer that a constructor is given."""
    return typing.cast("collections.abc.Callable", keras.initializers.get(identifier))


def get_regularizer(identifier: Regularizer) -> keras.regularizers.Regularizer | None:
    """The regularizer that a constructor is given."""
    return typing.cast("keras.regularizers.Regularizer", keras.regularizers.get(identifier))


def get_constraint(identifier: Constraint) -> keras.constraints.Constraint | None:
    """The constraint that a constructor is given."""
    return typing.cast("keras.constraints.Constraint", keras.constraints.get(identifier))


def check_axis(axis: typing.Any) -> None:
    if not isinstance(axis, int) or isinstance(axis, bool) or axis == 0:
        raise ValueError(
            "`axis` must be an integer other than 0, which is the batch: usually -1, or 1 for "
            f"channels first. Received: axis={axis!r}"
        )


def check_group_size(group_size: typing.Any) -> None:
    if group_size is not None and not _is_positive_integer(group_size):
        raise ValueError(
            "`group_size` must be a positive integer, or None for one group of all channels. "
            f"Received: group_size={group_size!r}"
        )


def check_momentum(momentum: typing.Any) -> None:
    if not _is_number(momentum) or not 0 <= momentum <= 1:
        raise ValueError(
            "`momentum` must be a number in [0, 1], the weight of the old value. "
            f"Received: momentum={momentum!r}"
        )


def check_epsilon(epsilon: typing.Any) -> None:
    if not _is_number(epsilon) or not epsilon >= 0:
        raise ValueError(
            f"`epsilon` must be a number that is not negative. Received: epsilon={epsilon!r}"
        )


def check_positive(name: str, value: typing.Any) -> None:
    if not _is_positive_integer(value):
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def _is_number(value):
    return isinstance(value, numbers.Real)


def _is_positive_integer(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


class ChannelLayer(keras.layers.Layer):
    """A layer that does something to each channel: knows its axis and how many there are."""

    def __init__(self, axis: int = -1, **kwargs: typing.Any):
        check_axis(axis)
        super().__init__(**kwargs)
        self.axis = axis
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
        self.input_spec = keras.layers.InputSpec(ndim=rank, axes={self.axis: channels})
        self._channels = channels

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    @property
    def statistics_dtype(self) -> str:
        """float32, or float64 for float64 input: what statistics and matrices are kept in."""
        return "float64" if self.compute_dtype == "float64" else "float32"

    @property
    def channel_shape(self) -> tuple[int, ...]:
        """The shape of a weight that has a number for each channel."""
        return (self._channels,)

    def add_channel_weight(
        self,
        name: str,
        initializer: Initializer,
        regularizer: Regularizer = None,
        constraint: Constraint = None,
    ) -> keras.Variable:
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
        """A weight that no optimizer trains, and that unsynchronised replicas average."""
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype=self.statistics_dtype,
            trainable=False,
            autocast=False,
            aggregation="mean",
        )

    def add_block_weights(
        self,
        name: str,
        group_size: int | None,
        add: collections.abc.Callable[[str, groups.Block], keras.Variable],
    ) -> None:
        """Adds a weight for each block of equal groups, an attribute each.

        Args:
            name: of the equal groups' weight; that of a smaller last group is `name`_last.
            group_size: channels in a group, or None.
            add: `add(name, block)`, adds the weight of a `groups.Block`.
        """
        blocks = groups.blocks(self._channels, group_size)
        for block, suffix in zip(blocks, BLOCK_SUFFIXES, strict=False):
            # An attribute, as a checkpoint does not see lists.
            setattr(self, name + suffix, add(name + suffix, block))

    def block_weights(self, name: str) -> list[keras.Variable]:
        """The weights that `add_block_weights` has added under a name, one for each block."""
        names = [name + suffix for suffix in BLOCK_SUFFIXES]
        return [getattr(self, block) for block in names if hasattr(self, block)]

    def as_statistics(self, value: typing.Any) -> typing.Any:
        """A tensor or weight (or None) in `statistics_dtype`."""
        return None if value is None else tf.cast(value, self.statistics_dtype)

    def mask_weights(self, inputs: tf.Tensor, mask: typing.Any) -> tf.Tensor | None:
        """A mask (or None) as weights (positions,) of `groups.to_rows(inputs)`."""
        if mask is None:
            return None
        if len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                "`mask` must have the shape of the inputs without the channels' axis. Received: "
                f"mask.shape={tuple(mask.shape)}, inputs.shape={tuple(inputs.shape)}"
            )
        return tf.cast(tf.reshape(mask, [-1]), self.statistics_dtype)

    def get_config(self) -> dict[str, typing.Any]:
        return super().get_config() | {"axis": self.axis}


class ScaleAndShift(ChannelLayer):
    """A layer with BatchNormalization's `gamma` and `beta`, (channels,) each, or without them."""

    def __init__(
        self,
        axis: int = -1,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Initializer = "zeros",
        gamma_initializer: Initializer = "ones",
        beta_regularizer: Regularizer = None,
        gamma_regularizer: Regularizer = None,
        beta_constraint: Constraint = None,
        gamma_constraint: Constraint = None,
        **kwargs: typing.Any,
    ):
        super().__init__(axis=axis, **kwargs)
        self.center = center
        self.scale = scale
        self.beta_initializer = get_initializer(beta_initializer)
        self.gamma_initializer = get_initializer(gamma_initializer)
        self.beta_regularizer = get_regularizer(beta_regularizer)
        self.gamma_regularizer = get_regularizer(gamma_regularizer)
        self.beta_constraint = get_constraint(beta_constraint)
        self.gamma_constraint = get_constraint(gamma_constraint)

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
    """A layer that normalises by batch statistics in training and by moving ones in inference."""

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        moving_mean_initializer: Initializer = "zeros",
        moving_variance_initializer: Initializer = "ones",
        synchronized: bool = False,
        **kwargs: typing.Any,
    ):
        check_momentum(momentum)
        check_epsilon(epsilon)
        super().__init__(axis=axis, **kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.moving_mean_initializer = get_initializer(moving_mean_initializer)
        self.moving_variance_initializer = get_initializer(moving_variance_initializer)
        self.synchronized = synchronized

    @property
    def sum_replicas(self) -> statistics.SumReplicas:
        """What sums statistics: over all replicas if synchronized, else over this one."""
        return statistics.all_replicas if self.synchronized else statistics.one_replica

    def follow(
        self,
        weights: collections.abc.Sequence[keras.Variable],
        values: collections.abc.Sequence[tf.Tensor],
    ) -> None:
        """Moves each weight towards the value of this batch."""
        old = [tf.convert_to_tensor(weight) for weight in weights]
        new = statistics.moving_average(old, list(values), self.momentum)
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
