"""Times every layer against BatchNormalization: `python -m tfnorm.benchmark`."""

import functools
import importlib.util
import json
import math
import os
import pathlib
import platform
import statistics

import keras
import numpy as np
import tensorflow as tf
from absl import flags

import tfnorm
from tfnorm.training import plots, program, timing
from tfnorm.training.program import UserError
from tfnorm.training.run_directory import write_whole

USAGE = """
Times training calls of the layers, forward and forward with backward, against Keras'
BatchNormalization. All of a shape take turns in one run, so that a machine whose speed drifts does
not favour any: the figures are medians over rounds of the ratio to BatchNormalization in the same
round, and the layer's own median in milliseconds. "Kept" is what the backward pass needs of the
forward pass, in units of the input's bytes. It runs on whatever device TensorFlow sees.

  python -m tfnorm.benchmark --layers=cd,itn --shapes=64x8x8x256 --group_sizes=16,64,none
"""

SHAPES = ("64x8x8x256", "64x16x16x256", "64x32x32x64", "64x4x4x512", "1024x512")
GROUP_SIZES = ("8", "16", "32", "64", "128", "none")
BASELINE = "bn"
CLASSES = 10

# A name in the table -> what makes the layer, of a group size or of the number of channels.
GROUPED = {
    "pca": functools.partial(tfnorm.BatchWhitening, "pca"),
    "zca": functools.partial(tfnorm.BatchWhitening, "zca"),
    "cd": functools.partial(tfnorm.BatchWhitening, "cd"),
    "itn": functools.partial(tfnorm.BatchWhitening, "itn"),
    "coloring": tfnorm.Coloring,
}
OTHERS = {
    "unitization": lambda channels: tfnorm.Unitization(),
    "center_scale": lambda channels: tfnorm.CenterScale(),
    "conditional_center_scale": lambda channels: tfnorm.ConditionalCenterScale(CLASSES),
    "conditional_coloring": lambda channels: tfnorm.ConditionalColoring(CLASSES),
    "factorized_coloring": lambda channels: tfnorm.FactorizedColoring(CLASSES, rank=4),
    "spectral_coloring": lambda channels: tfnorm.SpectralNormalization(tfnorm.Coloring()),
    "gn": lambda channels: keras.layers.GroupNormalization(math.gcd(16, channels)),
    "ln": lambda channels: keras.layers.LayerNormalization(),
}
LAYERS = (*GROUPED, *OTHERS)


def define_flags():
    """The flags of this program."""
    program.define_flag("layers", str, "What", f"Comma-separated, of {', '.join(LAYERS)}; all.")
    program.define_flag("shapes", str, "What", f"Comma-separated input shapes; {','.join(SHAPES)}.")
    program.define_flag(
        "group_sizes", str, "What", f"Comma-separated, none is one group; {','.join(GROUP_SIZES)}."
    )
    program.define_flag("rounds", int, "What", "Turns that each layer gets; 20.")
    program.define_flag(
        "out",
        str,
        "What",
        "Directory for benchmark.json, and for group_size.png, time against group size; not "
        "written if left out.",
    )


def main():
    """Reads the flags, times, prints a table and writes the figures."""
    given = flags.FLAGS
    names = _split(given.layers, LAYERS)
    unknown = set(names) - set(LAYERS)
    if unknown:
        raise UserError(f"--layers are of {', '.join(LAYERS)}. Received: {', '.join(unknown)}")
    sizes = [None if size == "none" else size for size in _split(given.group_sizes, GROUP_SIZES)]
    shapes = [_numbers("shapes", text.split("x")) for text in _split(given.shapes, SHAPES)]
    sizes = [size and _numbers("group_sizes", [size])[0] for size in sizes]
    rounds = 20 if given.rounds is None else _numbers("rounds", [str(given.rounds)])[0]
    for shape in shapes:
        if not 2 <= len(shape) <= 5:
            raise UserError(f"--shapes have 2 to 5 sizes. Received: {'x'.join(map(str, shape))}")
    if given.out and importlib.util.find_spec("matplotlib") is None:
        raise UserError("--out draws with matplotlib, which is not here: pip install matplotlib")
    results = []
    print(
        f"Training calls on {' and '.join(sorted(set(_devices())))}, in units of {BASELINE}'s time"
    )
    for shape in shapes:
        print(f"\n{'x'.join(map(str, shape))}, float32, {rounds} rounds")
        print(f"  {'':<26}forward   forward + backward           kept")
        for row in benchmark(shape, candidates(names, sizes, shape[-1]), rounds):
            results.append(row)
            title = f"{row['layer']} {row['group_size'] or ''}"
            print(
                f"  {title:<26}{row['forward']:7.2f}   {row['forward_backward']:8.2f}"
                f"  ({row['forward_backward_ms']:7.2f} ms)   {row['kept']:6.2f}",
                flush=True,
            )
    if given.out:
        out = pathlib.Path(given.out)
        report = {"machine": _machine(), "rounds": rounds, "results": results}
        write_whole(out / "benchmark.json", json.dumps(report, indent=2) + "\n")
        panels = _panels(results)
        if panels:
            labels = ("channels in a group", "times BatchNormalization's")
            plots.write_lines(out / "group_size.png", panels, *labels, powers_of_2=True)


def candidates(names, sizes, channels):
    """The layers to time, by name and group size (None if the layer has none).

    BatchNormalization is the first. A size of None, or of at least the channels, is one group.
    """
    layers = {(BASELINE, None): keras.layers.BatchNormalization()}
    for name in names:
        if name in OTHERS:
            layers[name, None] = OTHERS[name](channels)
            continue
        for size in sorted({min(size or channels, channels) for size in sizes}):
            layers[name, size] = GROUPED[name](group_size=size)
    return layers


def benchmark(shape, layers, rounds):
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


def kept_bytes(layer, inputs):
    """Bytes that the gradient of a training call captures from the forward pass.

    Counted in the graph: the tensors that gradient operations take from forward ones, each once
    however it is reshaped, the input if it is among them, but neither weights nor the gradient that
    comes in.
    """
    forward = set()

    @tf.function
    def step(dy, x, *labels):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, *labels, training=True)
        forward.update(op.name for op in x.graph.get_operations())
        return tape.gradient(y, [x, *_variables(layer)], output_gradients=dy)

    y = layer(*inputs)
    graph = step.get_concrete_function(tf.zeros_like(y), *inputs).graph
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


def _source(tensor):
    """The tensor whose memory this one shares."""
    while tensor.op.type in ("Reshape", "Identity", "IdentityN", "StopGradient", "ExpandDims"):
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor


def _forward(layer):
    def call(dy, *inputs):
        return layer(*inputs, training=True)

    return call


def _forward_backward(layer):
    def call(dy, x, *labels):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, *labels, training=True)
        return tape.gradient(y, [x, *_variables(layer)], output_gradients=dy)

    return call


def _variables(layer):
    return [weight.value for weight in layer.trainable_weights]


def _panels(results):
    """For the picture: of each shape and method the times by group size, BatchNormalization's 1."""
    panels = {}
    for row in results:
        if row["group_size"] is not None:
            shape = "x".join(map(str, row["shape"]))
            lines = panels.setdefault(f"{shape}, forward + backward", {})
            lines.setdefault(row["layer"], []).append((row["group_size"], row["forward_backward"]))
    return panels


def _split(text, default):
    return text.split(",") if text else list(default)


def _numbers(flag, texts):
    try:
        numbers = [int(text) for text in texts]
    except ValueError:
        numbers = [0]
    if min(numbers) < 1:
        raise UserError(f"--{flag} are positive numbers. Received: {'x'.join(texts)}")
    return numbers


def _devices():
    return [device.device_type for device in tf.config.list_physical_devices()]


def _machine():
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "devices": _devices(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
