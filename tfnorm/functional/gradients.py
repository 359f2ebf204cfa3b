"""Functions with gradients of their own, with their types."""

import collections.abc
import typing

import tensorflow as tf

_Arguments = typing.ParamSpec("_Arguments")
_Value = typing.TypeVar("_Value")


def custom_gradient(
    function: collections.abc.Callable[
        _Arguments, tuple[_Value, collections.abc.Callable[..., typing.Any]]
    ],
) -> collections.abc.Callable[_Arguments, _Value]:
    """`tf.custom_gradient`: from a function to a value and its gradient, to one to the value.

    Type checkers take what TensorFlow's own decorator makes for a function to both.

    Args:
        function: of tensors, to `(value, gradient)`; see `tf.custom_gradient`.
    """
    return typing.cast("collections.abc.Callable[_Arguments, _Value]", tf.custom_gradient(function))
