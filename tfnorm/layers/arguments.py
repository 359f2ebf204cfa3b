"""What the layers' arguments may be: their types, and checks that say what was received."""

import numbers
import typing
from collections.abc import Callable

import keras
import tensorflow as tf

# What Keras makes an initializer, a regularizer or a constraint of: the thing itself, its name, its
# configuration, or any function of that signature.
InitializerLike = (
    keras.initializers.Initializer | Callable[..., typing.Any] | dict[str, typing.Any] | str
)
RegularizerLike = (
    keras.regularizers.Regularizer | Callable[..., typing.Any] | dict[str, typing.Any] | str
)
ConstraintLike = (
    keras.constraints.Constraint | Callable[..., typing.Any] | dict[str, typing.Any] | str
)

# What the layers keep of them: functions of a shape and dtype, or of a weight.
Initializer = Callable[..., tf.Tensor]
Regularizer = Callable[[keras.Variable], tf.Tensor]
Constraint = Callable[[keras.Variable], tf.Tensor]


def get_initializer(identifier: InitializerLike) -> Initializer:
    """Makes an initializer: `keras.initializers.get`, with its type."""
    return typing.cast(Initializer, keras.initializers.get(identifier))


def get_regularizer(identifier: RegularizerLike | None) -> Regularizer | None:
    """Makes a regularizer, or None: `keras.regularizers.get`, with its type."""
    return typing.cast(Regularizer | None, keras.regularizers.get(identifier))


def get_constraint(identifier: ConstraintLike | None) -> Constraint | None:
    """Makes a constraint, or None: `keras.constraints.get`, with its type."""
    return typing.cast(Constraint | None, keras.constraints.get(identifier))


def check_axis(axis: int) -> None:
    """Checks that an axis is a number, and not the batch's."""
    if not isinstance(axis, int) or isinstance(axis, bool) or axis == 0:
        raise ValueError(
            "`axis` must be an integer other than 0, which is the batch: usually -1, or 1 for "
            f"channels first. Received: axis={axis!r}"
        )


def check_group_size(group_size: int | None) -> None:
    """Checks that a group size is a positive integer, or None."""
    if group_size is not None and not _is_positive_integer(group_size):
        raise ValueError(
            "`group_size` must be a positive integer, or None for one group of all channels. "
            f"Received: group_size={group_size!r}"
        )


def check_momentum(momentum: float) -> None:
    """Checks that a momentum is a number in [0, 1]."""
    if not _is_number(momentum) or not 0 <= momentum <= 1:
        raise ValueError(
            "`momentum` must be a number in [0, 1], the weight of the old value. "
            f"Received: momentum={momentum!r}"
        )


def check_epsilon(epsilon: float) -> None:
    """Checks that an epsilon is a number that is not negative."""
    if not _is_number(epsilon) or not epsilon >= 0:
        raise ValueError(
            f"`epsilon` must be a number that is not negative. Received: epsilon={epsilon!r}"
        )


def check_device(device: str | None) -> None:
    """Checks that a device is one that decompositions can be placed on, or None."""
    if device not in (None, "cpu", "gpu"):
        raise ValueError(f"`device` must be 'cpu', 'gpu' or None. Received: device={device!r}")


def check_positive(name: str, value: int) -> None:
    """Checks that the argument of that name is a positive integer."""
    if not _is_positive_integer(value):
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real)


def _is_positive_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
