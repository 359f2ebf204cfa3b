"""Times every layer against BatchNormalization: `python -m tfnorm.benchmark`."""

import importlib.util
import json
import os
import pathlib
import platform
import sys
import typing

import keras
import tensorflow as tf
from absl import app, flags

from tfnorm.benchmark.measuring import BASELINE, benchmark, candidates, layer_names
from tfnorm.benchmark.picture import draw_group_sizes

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


class BadFlag(Exception):
    """A flag's value is not what it must be: the rule, and what was received."""


def define_flags() -> None:
    """Defines the flags of this program."""
    names = layer_names()
    flags.DEFINE_list("layers", list(names), f"Layers to time, of {', '.join(names)}.")
    flags.DEFINE_list("shapes", list(SHAPES), "Shapes of the input, as 64x8x8x256.")
    flags.DEFINE_list(
        "group_sizes", list(GROUP_SIZES), "Channels in a group; none: one group of all."
    )
    flags.DEFINE_integer("rounds", 20, "Turns that each layer gets.")
    flags.DEFINE_string(
        "out",
        None,
        "Directory for benchmark.json, and for group_size.png, time against group size (which "
        "needs matplotlib); left out, nothing is written.",
    )


def main() -> None:
    """Reads the flags, times, prints a table and writes the figures."""
    given = flags.FLAGS
    names = layer_names()
    if not given.layers or set(given.layers) - set(names):
        raise BadFlag(f"--layers are of {', '.join(names)}. Received: {','.join(given.layers)}")
    sizes = [
        None if size == "none" else numbers("group_sizes", [size])[0] for size in given.group_sizes
    ]
    shapes = [numbers("shapes", text.split("x")) for text in given.shapes]
    (rounds,) = numbers("rounds", [str(given.rounds)])
    for shape in shapes:
        if not 2 <= len(shape) <= 5:
            raise BadFlag(f"--shapes have 2 to 5 sizes. Received: {'x'.join(map(str, shape))}")
    if given.out and importlib.util.find_spec("matplotlib") is None:
        raise BadFlag("--out draws with matplotlib, which is not here: pip install matplotlib")
    results = []
    print(
        f"Training calls on {' and '.join(sorted(set(_devices())))}, in units of {BASELINE}'s time"
    )
    for shape in shapes:
        print(f"\n{'x'.join(map(str, shape))}, float32, {rounds} rounds")
        print(f"  {'':<26}forward   forward + backward           kept")
        for row in benchmark(shape, candidates(given.layers, sizes, shape[-1]), rounds):
            results.append(row)
            title = f"{row['layer']} {row['group_size'] or ''}"
            print(
                f"  {title:<26}{row['forward']:7.2f}   {row['forward_backward']:8.2f}"
                f"  ({row['forward_backward_ms']:7.2f} ms)   {row['kept']:6.2f}",
                flush=True,
            )
    if given.out:
        out = pathlib.Path(given.out)
        out.mkdir(parents=True, exist_ok=True)
        report = {"machine": _machine(), "rounds": rounds, "results": results}
        (out / "benchmark.json").write_text(json.dumps(report, indent=2) + "\n")
        draw_group_sizes(out / "group_size.png", results)


def numbers(flag: str, texts: list[str]) -> list[int]:
    """Reads the positive numbers of a flag's texts; raises `BadFlag` where one is not."""
    try:
        values = [int(text) for text in texts]
    except ValueError:
        values = [0]
    if min(values) < 1:
        raise BadFlag(f"--{flag} are positive numbers. Received: {'x'.join(texts)}")
    return values


def _devices() -> list[str]:
    return [device.device_type for device in tf.config.list_physical_devices()]


def _machine() -> dict[str, typing.Any]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "devices": _devices(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def run(arguments: list[str]) -> None:
    """Runs the program on its command line; a mistake is one line, and exit code 1."""
    define_flags()

    def parse(arguments: list[str]) -> list[str]:
        if {"--help", "-h"} & set(arguments[1:]):
            print(USAGE.strip(), flags.FLAGS.main_module_help(), sep="\n\n")
            sys.exit(0)
        try:
            rest = flags.FLAGS(arguments)
        except flags.Error as error:
            sys.exit(f"error: {str(error).splitlines()[0]} See --help.")
        if rest[1:]:
            sys.exit(f"error: Arguments are flags, --name=value. Received: {' '.join(rest[1:])}")
        return rest

    def guarded(_: list[str]) -> None:
        try:
            main()
        except (BadFlag, OSError) as error:
            sys.exit(f"error: {error}")
        except KeyboardInterrupt:
            sys.exit("error: Interrupted.")

    app.run(guarded, argv=arguments, flags_parser=parse)


if __name__ == "__main__":
    run(sys.argv)
