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


def nested_gradient(
    function: Callable[..., tuple[tf.Tensor, Callable[..., typing.Any]]],
) -> Callable[..., tf.Tensor]:
    """Makes a function of tensors with its own gradient, which has such functions within.

    Between `tf.function`s a gradient's gradient sees the tensors of the graph in which the gradient
    is computed, and no farther. So each call has its arguments in the graph that it is in; all that
    the gradient takes must be one of them.
    """
    own = tf.custom_gradient(function)

    def call(*tensors: tf.Tensor) -> tf.Tensor:
        return typing.cast(tf.Tensor, own(*map(tf.identity, tensors)))

    return call


def connected(
    derivatives: int,
    pullback: Callable[..., tf.Tensor],
    x: tf.Tensor,
    value: tf.Tensor,
    *kept: tf.Tensor,
) -> tf.Tensor:
    """Makes a value a function of x, as far as so many derivatives, one after another, see.

    Args:
        derivatives: how many; of 0 the value is a number.
        pullback: `pullback(y, dy, *kept)`, the gradient of x where the value is y.
        x, value: tensors; value is not differentiated itself.
        *kept: tensors that the pullback takes beside, which carry no gradient.
    """
    if not derivatives:
        return value

    @nested_gradient
    def function(x: tf.Tensor, value: tf.Tensor, *kept: tf.Tensor):
        def gradient(dy: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
            y = connected(derivatives - 1, pullback, x, value, *kept)
            return pullback(y, dy, *kept), None, *[None for _ in kept]

        return tf.identity(value), gradient

    return function(x, value, *kept)
