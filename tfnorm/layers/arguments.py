"""What the layers' arguments may be: their types, and checks that say what was received.

A check returns the argument as Python's own type: a configuration is written as JSON, and NumPy's
numbers are none.
"""

import math
import numbers
import typing
from collections.abc import Callable

import keras
import tensorflow as tf

from tfnorm.functional.whiteners import Device

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


def check_axis(axis: int) -> int:
    """Returns an axis as an int; it is a whole number, and not the batch's."""
    if not _is_integer(axis) or axis == 0:
        raise ValueError(
            "`axis` must be an integer other than 0, which is the batch: usually -1, or 1 for "
            f"channels first. Received: axis={axis!r}"
        )
    return int(axis)


def check_group_size(group_size: int | None) -> int | None:
    """Returns a group size, a positive int, or None."""
    if group_size is None:
        return None
    if not _is_integer(group_size) or group_size < 1:
        raise ValueError(
            "`group_size` must be a positive integer, or None for one group of all channels. "
            f"Received: group_size={group_size!r}"
        )
    return int(group_size)


def check_groups(groups: int) -> int:
    """Returns a number of groups, a positive int, or -1: a group for each channel."""
    if not _is_integer(groups) or (groups < 1 and groups != -1):
        raise ValueError(
            "`groups` must be a positive integer, or -1 for a group for each channel. "
            f"Received: groups={groups!r}"
        )
    return int(groups)


def check_momentum(momentum: float) -> float:
    """Returns a momentum as a float in [0, 1]."""
    if not _is_number(momentum) or not 0 <= momentum <= 1:
        raise ValueError(
            "`momentum` must be a number in [0, 1], the weight of the old value. "
            f"Received: momentum={momentum!r}"
        )
    return float(momentum)


def check_epsilon(epsilon: float) -> float:
    """Returns an epsilon as a float that is finite and not negative."""
    if not _is_number(epsilon) or not 0 <= epsilon < math.inf:
        raise ValueError(
            f"`epsilon` must be a finite number that is not negative. Received: epsilon={epsilon!r}"
        )
    return float(epsilon)


def check_device(device: Device | None) -> Device | None:
    """Returns a device that decompositions can be placed on, or None."""
    if device is not None and device not in typing.get_args(Device):
        raise ValueError(f"`device` must be 'cpu', 'gpu' or None. Received: device={device!r}")
    return device


def check_positive(name: str, value: int) -> int:
    """Returns the argument of that name as an int; it is a positive integer."""
    if not _is_integer(value) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
    return int(value)


def check_domain(domain: int, domains: int) -> int:
    """Returns one of so many domains as an int."""
    if not _is_integer(domain) or not 0 <= domain < domains:
        raise ValueError(
            f"`domain` must be an integer in [0, {domains}). Received: domain={domain!r}"
        )
    return int(domain)


def check_boolean(name: str, value: bool) -> bool:
    """Returns the argument of that name as a bool: "False" is a text, which counts as true."""
    if not isinstance(value, (bool, tf.bool.as_numpy_dtype)):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")
    return bool(value)


def _is_number(value: object) -> typing.TypeGuard[float]:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_integer(value: object) -> typing.TypeGuard[int]:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
