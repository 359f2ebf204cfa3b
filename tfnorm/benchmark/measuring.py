"""Times training calls of layers in turns, and counts what their gradients keep."""

import functools
import math
import statistics
import typing
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

import tfnorm
from tfnorm.benchmark import timing

BASELINE = "bn"
CLASSES = 10

# Layers by name and group size, None where they have none.
Candidates = dict[tuple[str, int | None], keras.Layer]

# A name in the table -> what makes the layer from the number of channels.
OTHERS: dict[str, Callable[[int], keras.Layer]] = {
    "unitization": lambda channels: tfnorm.Unitization(),
    "center_scale": lambda channels: tfnorm.CenterScale(),
    "conditional_center_scale": lambda channels: tfnorm.ConditionalCenterScale(CLASSES),
    "conditional_coloring": lambda channels: tfnorm.ConditionalColoring(CLASSES),
    "factorized_coloring": lambda channels: tfnorm.FactorizedColoring(CLASSES, rank=4),
    "spectral_coloring": lambda channels: tfnorm.SpectralNormalization(tfnorm.Coloring()),
    "gn": lambda channels: keras.layers.GroupNormalization(math.gcd(16, channels)),
    "ln": lambda channels: keras.layers.LayerNormalization(),
}


def grouped() -> dict[str, Callable[..., keras.Layer]]:
    """Names what makes a layer that works in groups, from a group size: a row for each method."""
    whitenings = {
        method: functools.partial(tfnorm.BatchWhitening, method)
        for method in tfnorm.functional.WHITENERS
    }
    return {**whitenings, "coloring": tfnorm.Coloring}


def layer_names() -> tuple[str, ...]:
    """Names all layers that can be timed."""
    return (*grouped(), *OTHERS)


def candidates(names: Iterable[str], sizes: Sequence[int | None], channels: int) -> Candidates:
    """Makes the layers to time, by name and group size (None if the layer has none).

    BatchNormalization is the first. A size of None, or of at least the channels, is one group.
    """
    layers: Candidates = {(BASELINE, None): keras.layers.BatchNormalization()}
    for name in names:
        if name in OTHERS:
            layers[name, None] = OTHERS[name](channels)
            continue
        for size in sorted({min(size or channels, channels) for size in sizes}):
            layers[name, size] = grouped()[name](group_size=size)
    return layers


def benchmark(shape: Sequence[int], layers: Candidates, rounds: int) -> list[dict[str, typing.Any]]:
    """Times layers in turns.

    Args:
        shape: of the input, float32.
        layers: dict of Keras layers as from `candidates`, the baseline among them.
        rounds: turns for each.

    Returns:
        A list of dicts with `layer`, `group_size`, `shape`, `forward` and `forward_backward`
        (median ratios to the baseline in the same round), `forward_ms` and `forward_backward_ms`
        (medians), and `kept` (see `kept_bytes`, over the input's bytes).
    """
    rng = np.random.default_rng(0)
    x, dy = (tf.constant(rng.normal(size=shape), tf.float32) for _ in range(2))
    labels = tf.constant(rng.integers(CLASSES, size=shape[0]), tf.int32)
    calls, kept = {}, {}
    for key, layer in layers.items():
        inputs = (x, labels) if hasattr(layer, "num_classes") else (x,)
        layer(*inputs)
        for kind, make in (("forward", _forward), ("forward_backward", _forward_backward)):
            function = tf.function(make(layer)).get_concrete_function(dy, *inputs)
            calls[key, kind] = functools.partial(function, dy, *inputs)
        kept[key] = kept_bytes(layer, inputs) / (4 * math.prod(shape))
    seconds = timing.interleaved(calls, rounds)
    rows = []
    for name, size in layers:
        row = {"layer": name, "group_size": size, "shape": list(shape)}
        for kind in ("forward", "forward_backward"):
            own, base = seconds[(name, size), kind], seconds[(BASELINE, None), kind]
            row[kind] = round(timing.ratio(own, base), 3)
            row[f"{kind}_ms"] = round(statistics.median(own) * 1e3, 3)
        rows.append(row | {"kept": round(kept[name, size], 3)})
    return rows


def kept_bytes(layer: keras.Layer, inputs: Sequence[tf.Tensor]) -> int:
    """Counts the bytes that the gradient of a training call captures from the forward pass.

    Counted in the graph: the tensors that gradient operations take from forward ones, each once
    however it is reshaped, the input if it is among them, but neither weights nor the gradient that
    comes in.
    """
    forward: set[str] = set()

    def step(dy: tf.Tensor, x: tf.Tensor, *labels: tf.Tensor):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, *labels, training=True)
        forward.update(op.name for op in x.graph.get_operations())
        return tape.gradient(y, [x, *_variables(layer)], output_gradients=[dy])

    y = layer(*inputs)
    graph = tf.function(step).get_concrete_function(tf.zeros_like(y), *inputs).graph
    incoming = graph.inputs[0].op.name
    taken = {
        _source(tensor).ref()
        for op in graph.get_operations()
        if op.name not in forward
        for tensor in op.inputs
        if tensor.op.name in forward - {incoming}
    }
    kept = (tensor.deref() for tensor in taken)
    return sum(
        tensor.shape.num_elements() * tensor.dtype.size
        for tensor in kept
        if tensor.op.type not in ("Const", "ReadVariableOp") and tensor.dtype != tf.resource
    )


def _source(tensor: tf.Tensor) -> tf.Tensor:
    """The tensor whose memory this one shares."""
    while tensor.op.type in ("Reshape", "Identity", "IdentityN", "StopGradient", "ExpandDims"):
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor


def _forward(layer: keras.Layer) -> Callable[..., tf.Tensor]:
    def call(dy: tf.Tensor, *inputs: tf.Tensor) -> tf.Tensor:
        return layer(*inputs, training=True)

    return call


def _forward_backward(layer: keras.Layer) -> Callable[..., Sequence[tf.Tensor | tf.IndexedSlices]]:
    def call(dy: tf.Tensor, x: tf.Tensor, *labels: tf.Tensor):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, *labels, training=True)
        return tape.gradient(y, [x, *_variables(layer)], output_gradients=[dy])

    return call


def _variables(layer: keras.Layer) -> list[tf.Variable]:
    return [weight.value for weight in layer.trainable_weights]
