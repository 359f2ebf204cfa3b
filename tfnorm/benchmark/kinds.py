"""Kinds of call that are timed of a Keras layer."""

import functools
import tempfile
import typing
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

# The labels of layers that take any are a second input.
Inputs = Sequence[tf.Tensor]
Call = Callable[[], typing.Any]


class Kind(typing.NamedTuple):
    """A kind of call.

    Attributes:
        title: the head of its column.
        make: makes the call of a built layer, its inputs and the gradient that comes back to its
            output; None where the layer has no such call.
        unit: the kind of call of the unit that it is divided by,
        of_itself: or of the same layer.
    """

    title: str
    make: Callable[[keras.Layer, Inputs, tf.Tensor], Call | None]
    unit: str
    of_itself: bool = False


def forward(layer: keras.Layer, inputs: Inputs, dy: tf.Tensor) -> Call:
    """Makes a training call without its gradient."""

    def call(*inputs: tf.Tensor) -> tf.Tensor:
        return layer(*inputs, training=True)

    return functools.partial(
        tf.function(call, autograph=False).get_concrete_function(*inputs), *inputs
    )


def forward_backward(layer: keras.Layer, inputs: Inputs, dy: tf.Tensor, jit: bool = False) -> Call:
    """Makes a training call with its gradient: it returns the output, and the gradients.

    The output is returned, as a network needs it. A function that returned gradients alone would
    not compute it where no gradient reads it: that of these layers reads the input, while the fused
    kernel computes both in one, whoever reads them.
    """

    def call(dy: tf.Tensor, x: tf.Tensor, *labels: tf.Tensor):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, *labels, training=True)
        return y, tape.gradient(y, [x, *trainable_variables(layer)], output_gradients=[dy])

    function = tf.function(call, jit_compile=jit or None, autograph=False)
    return functools.partial(function.get_concrete_function(dy, *inputs), dy, *inputs)


def jit(layer: keras.Layer, inputs: Inputs, dy: tf.Tensor) -> Call | None:
    """Makes `forward_backward` compiled by XLA, for a layer that says that it can be."""
    return forward_backward(layer, inputs, dy, jit=True) if layer.supports_jit else None


def inference(layer: keras.Layer, inputs: Inputs, dy: tf.Tensor) -> Call:
    """Makes the call of a SavedModel of this layer alone: its `serve`, for batches of any size.

    A training call comes first, so that moving statistics are not those of a new layer: to
    decompose the unit matrix is no work. What is timed is the concrete function, for to find that
    takes Python as long as a small layer.
    """
    layer(*inputs, training=True)
    symbols = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in inputs]
    model = keras.Model(symbols, layer(*symbols))
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        loaded = tf.saved_model.load(folder)
    function = loaded.serve.get_concrete_function(list(inputs))
    return functools.partial(_serve, loaded, function, list(inputs))


def _serve(loaded: typing.Any, function: Callable[..., tf.Tensor], inputs: list[tf.Tensor]):
    """Calls a loaded model's function; with the model its variables would go."""
    return function(inputs)


def inference_matrix(layer: keras.Layer, inputs: Inputs, dy: tf.Tensor) -> Call | None:
    """Makes the call of `inference` of the same whitening with `estimate="matrix"`."""
    if "estimate" not in layer.get_config():
        return None
    by_matrix = type(layer).from_config(layer.get_config() | {"estimate": "matrix"})
    return inference(by_matrix, inputs, dy)


KINDS = {
    "forward": Kind("forward", forward, "forward"),
    "forward_backward": Kind("forward + backward", forward_backward, "forward_backward"),
    "inference": Kind("inference", inference, "inference"),
    "inference_matrix": Kind("inference by matrix", inference_matrix, "inference"),
    "jit": Kind("XLA / without", jit, "forward_backward", of_itself=True),
}


def trainable_variables(layer: keras.Layer) -> list[tf.Variable]:
    """TensorFlow's variables of a layer's trainable weights."""
    return [weight.value for weight in layer.trainable_weights]
