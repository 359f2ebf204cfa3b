"""TensorFlow's way to give a function its gradient, with its type."""

import typing
from collections.abc import Callable

import tensorflow as tf

Parameters = typing.ParamSpec("Parameters")
Value = typing.TypeVar("Value")


def custom_gradient(
    function: Callable[Parameters, tuple[Value, Callable[..., typing.Any]]],
) -> Callable[Parameters, Value]:
    """Makes the function of the values alone, with its own gradient: `tf.custom_gradient`.

    TensorFlow's decorator has no type, and a type checker takes what it makes for the function that
    it was given, which returns its gradient too.

    Args:
        function: from tensors to `(values, gradient)`, gradient a function from the gradients with
            respect to the values to those with respect to the tensors.
    """
    return typing.cast(Callable[Parameters, Value], tf.custom_gradient(function))
