"""Times every layer against BatchNormalization: `python -m tfnorm.benchmark`."""

import itertools
import json
import math
import pathlib
import platform
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from tfnorm import BatchWhitening, Unitization
from tfnorm.training import program
from tfnorm.training.program import UserError
from tfnorm.training.run_directory import write_whole

USAGE = """
Times training calls of the layers, forward and forward with backward, against Keras'
BatchNormalization. All of a shape take turns in one run, so that a machine whose speed drifts does
not favour any: the figures are medians over rounds of the ratio to BatchNormalization in the same
round, and BatchNormalization's own median in milliseconds.

  python -m tfnorm.benchmark --layers=cd,itn --shapes=64x8x8x256 --group_sizes=16,64,none
"""

SHAPES = ("64x8x8x256", "64x16x16x256", "64x32x32x64", "64x4x4x512", "1024x512")
GROUP_SIZES = ("16", "none")
BASELINE = "bn"

WHITENING = {
    method: lambda size, method=method: BatchWhitening(method, group_size=size)
    for method in ("pca", "zca", "cd", "itn")
}
OTHERS = {
    "unitization": lambda channels: Unitization(),
    "gn": lambda channels: keras.layers.GroupNormalization(math.gcd(16, channels)),
    "ln": lambda channels: keras.layers.LayerNormalization(),
}
LAYERS = (*WHITENING, *OTHERS)


def define_flags():
    """The flags of this program."""
    program.define_flag("layers", str, "What", f"Comma-separated, of {', '.join(LAYERS)}; all.")
    program.define_flag("shapes", str, "What", f"Comma-separated input shapes; {','.join(SHAPES)}.")
    program.define_flag(
        "group_sizes", str, "What", f"Comma-separated, none is one group; {','.join(GROUP_SIZES)}."
    )
    program.define_flag("rounds", int, "What", "Turns that each layer gets; 20.")
    program.define_flag(
        "out", str, "What", "Directory for benchmark.json; not written if left out."
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
    results = []
    for shape in shapes:
        print(f"\n{'x'.join(map(str, shape))}, float32, {rounds} rounds")
        for row in benchmark(shape, candidates(names, sizes, shape[-1]), rounds):
            results.append(row)
            print(
                f"  {row['layer']:<14}forward {row['forward']:5.2f}"
                f"   forward + backward {row['forward_backward']:5.2f}"
                f"   ({row['forward_backward_ms']:.2f} ms)",
                flush=True,
            )
    if given.out:
        report = {"machine": _machine(), "rounds": rounds, "results": results}
        write_whole(pathlib.Path(given.out) / "benchmark.json", json.dumps(report, indent=2) + "\n")


def candidates(names, sizes, channels):
    """The layers to time by the names in the table; BatchNormalization is the first."""
    layers = {BASELINE: keras.layers.BatchNormalization()}
    for name in names:
        if name in OTHERS:
            layers[name] = OTHERS[name](channels)
            continue
        for size in sizes:
            if size is None or size < channels:
                layers[f"{name} {size or 'full'}"] = WHITENING[name](size)
    return layers


def benchmark(shape, layers, rounds):
    """Times layers in turns.

    Args:
        shape: of the input, float32.
        layers: dict of Keras layers, `BASELINE` among them.
        rounds: turns for each.

    Returns:
        A list of dicts with `layer`, `shape`, `forward` and `forward_backward` (median ratios to
        the baseline in the same round), `forward_ms` and `forward_backward_ms` (medians).
    """
    rng = np.random.default_rng(0)
    x, dy = (tf.constant(rng.normal(size=shape), tf.float32) for _ in range(2))
    calls = {}
    for name, layer in layers.items():
        layer.build(shape)
        for kind, make in (("forward", _forward), ("forward_backward", _forward_backward)):
            calls[name, kind] = tf.function(make(layer)).get_concrete_function(x, dy)
    for call in calls.values():
        call(x, dy)
        call(x, dy)
    seconds = {key: [] for key in calls}
    for _, (key, call) in itertools.product(range(rounds), calls.items()):
        start = time.perf_counter()
        call(x, dy)
        seconds[key].append(time.perf_counter() - start)
    rows = []
    for name in layers:
        row = {"layer": name, "shape": list(shape)}
        for kind in ("forward", "forward_backward"):
            own, base = seconds[name, kind], seconds[BASELINE, kind]
            ratios = [a / b for a, b in zip(own, base, strict=True)]
            row[kind] = round(statistics.median(ratios), 3)
            row[f"{kind}_ms"] = round(statistics.median(own) * 1e3, 3)
        rows.append(row)
    return rows


def _forward(layer):
    def call(x, dy):
        return layer(x, training=True)

    return call


def _forward_backward(layer):
    variables = [weight.value for weight in layer.trainable_weights]

    def call(x, dy):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return tape.gradient(y, [x, *variables], output_gradients=dy)

    return call


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


def _machine():
    devices = [device.device_type for device in tf.config.list_physical_devices()]
    return {
        "processor": platform.processor() or platform.machine(),
        "devices": devices,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
