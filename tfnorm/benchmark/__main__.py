"""Times every layer against TensorFlow's fused kernel: `python -m tfnorm.benchmark`."""

import importlib.util
import json
import math
import os
import pathlib
import sys
import typing
from collections.abc import Callable, Iterable

import absl.logging
import keras
import tensorflow as tf
from absl import app, flags

import tfnorm
from tfnorm.benchmark import machine, table
from tfnorm.benchmark.candidates import UNIT, candidates, layer_names
from tfnorm.benchmark.ending import handle_signals, write_whole
from tfnorm.benchmark.kinds import KINDS
from tfnorm.benchmark.measuring import benchmark
from tfnorm.benchmark.pairs import PAIRS, benchmark_pairs
from tfnorm.benchmark.picture import draw_group_sizes
from tfnorm.benchmark.torch_batch_norm import find_torch

USAGE = """
Times calls of the layers in units of TensorFlow's fused batch normalization, the kernel alone,
beside Keras' BatchNormalization and, where torch can be imported, torch's:

  forward            a training call without its gradient
  forward_backward   a training call with its gradient; it returns the output too
  inference          the layer exported as a SavedModel (torch's: called as it is)
  inference_matrix   likewise, of a whitening with estimate="matrix"; in units of inference
  jit                forward_backward under XLA over the same layer's without, where it can be

All of a shape take turns in one run, so that a machine whose speed drifts does not favour any: the
figures are medians over rounds of the ratio to the unit in the same round, and in brackets its 10th
and 90th percentile; of the unit they are milliseconds. "Kept" is what the backward pass needs of
the forward pass, in units of the input's bytes. It is for a CPU: no call waits for a GPU.

--pairs are layers of other places, and functions, each in units of a counterpart: CovariancePooling
over GlobalAveragePooling2D, Whitening over Normalization, GroupWhitening over GroupNormalization,
roots of matrices over what tf.linalg has. --pairs alone times no layers, --layers alone no pairs.

  python -m tfnorm.benchmark --layers=cd,itn --shapes=64x8x8x256 --group_sizes=16,64,none
  python -m tfnorm.benchmark --pairs=sqrt,inverse_sqrt
"""

SHAPES = ("64x8x8x256", "64x32x32x64", "1024x512")
GROUP_SIZES = ("8", "16", "64", "none")
# No sensible use reaches them, and no machine's memory what is beyond.
CHANNELS, ROUNDS, ELEMENTS = 65_536, 1_000_000, 2**30
DEFAULT_KINDS = ("forward", "forward_backward", "inference", "inference_matrix")


OTHERS = """Any program:
  --flagfile: File with more flags, one a line as --name=value.
  --version: Show the versions of tfnorm and TensorFlow, and stop."""


class BadFlag(Exception):
    """A flag's value is not what it must be: the rule, and what was received."""


def define_flags() -> None:
    """Defines the flags of this program."""
    lists = {
        "layers": (layer_names(), f"Layers to time, of {', '.join(layer_names())}."),
        "pairs": (PAIRS, f"What is timed beside a counterpart, of {', '.join(PAIRS)}."),
        "kinds": (DEFAULT_KINDS, f"What is timed, see above, of {', '.join(KINDS)}."),
        "shapes": (SHAPES, "Shapes of the input, as 64x8x8x256: images, height, width, channels."),
        "group_sizes": (GROUP_SIZES, "Channels that are whitened together; none: all of them."),
    }
    texts = {
        "rounds": ("30", "How often each call is timed, all in turns; the table has medians."),
        "out": (
            None,
            "Directory to write benchmark.json to, after each shape and after the pairs, so that "
            "an interruption loses no more than what is being timed; at the end, with "
            "forward_backward, group_size.png and group_size.svg, time against group size (which "
            "needs matplotlib). Left out, nothing is written.",
        ),
    }
    for name, (default, help) in lists.items():
        flags.DEFINE_list(name, list(default), help, flags.FLAGS)
    for name, (default, help) in texts.items():
        flags.DEFINE_string(name, default, help, flags.FLAGS)


def main() -> None:
    """Reads the flags, times, prints a table and writes the figures."""
    given = flags.FLAGS
    layers = chosen("layers", given.layers, layer_names())
    pairs = chosen("pairs", given.pairs, PAIRS)
    if given["layers"].present != given["pairs"].present:
        layers, pairs = (layers, []) if given["layers"].present else ([], pairs)
    kinds = chosen("kinds", given.kinds, KINDS)
    sizes = [
        None if size == "none" else number("group_sizes", size, CHANNELS)
        for size in given.group_sizes or [""]
    ]
    shapes = [chosen_shape(text) for text in given.shapes or [""]]
    rounds = number("rounds", given.rounds, ROUNDS)
    if given.out is not None:
        check_out(given.out)
    if given.out and importlib.util.find_spec("matplotlib") is None:
        raise BadFlag("--out draws with matplotlib, which is not here: pip install matplotlib")
    absl.logging.set_verbosity(absl.logging.ERROR)  # exporting and loading say much
    tf.get_logger().setLevel("ERROR")
    # As the report says, whatever the user's keras.json does.
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    torch = find_torch()
    here = machine.describe(torch)
    print(head_line(here))
    if load := machine.load_if_busy():
        print(f"The machine is not idle (load {load:.1f}): these figures are not to be trusted.")
    report = {"unit": UNIT, "machine": here, "rounds": rounds, "results": [], "pairs": []}
    for shape in shapes if layers else []:
        print(f"\n{'x'.join(map(str, shape))}, float32, {rounds} rounds")
        print(table.head(kinds))
        for row in benchmark(shape, candidates(layers, sizes, shape[-1], torch), kinds, rounds):
            report["results"].append(row)
            print(table.line(row, kinds), flush=True)
        write(given.out, report)
    if pairs:
        report["pairs"] = benchmark_pairs(pairs, rounds)
        print(f"\nIn units of their counterparts, float32, {rounds} rounds\n{table.PAIRS_HEAD}")
        print("\n".join(map(table.pair_line, report["pairs"])))
        write(given.out, report)
    if given.out and layers and "forward_backward" in kinds:
        draw_group_sizes(pathlib.Path(given.out, "group_size.png"), report["results"])


def write(out: str | None, report: dict[str, typing.Any]) -> None:
    """Writes what was timed so far to benchmark.json in a directory, if there is to be one."""
    if out:
        text = json.dumps(report, indent=2) + "\n"
        write_whole(pathlib.Path(out, "benchmark.json"), text.encode())


def head_line(here: dict[str, typing.Any]) -> str:
    """Says what the unit is and what the figures were taken on, from `machine.describe`."""
    devices = " and ".join(sorted(set(here["devices"])))
    torch = f"torch {here['torch']}" if here["torch"] else "no torch"
    return (
        f"In units of {UNIT}, tf.compat.v1.nn.fused_batch_norm alone, on {here['processor']}, "
        f"{here['cores']} cores, {devices}: TensorFlow {here['tensorflow']}, "
        f"Keras {here['keras']}, {torch}"
    )


def chosen(flag: str, values: list[str], names: Iterable[str]) -> list[str]:
    """Takes the values of a flag in the order of the names that there are; raises `BadFlag`."""
    if not values or set(values) - set(names):
        raise BadFlag(
            f"--{flag} must be of {', '.join(names)}. Received: {flag}={','.join(values)!r}"
        )
    return [name for name in names if name in values]


def number(flag: str, text: str, most: int) -> int:
    """Reads a positive number of a flag; raises `BadFlag` where it is none, or above the most."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= most:
        raise BadFlag(
            f"--{flag} must be a whole number from 1 to {most:,}. Received: {flag}={text!r}"
        )
    return value


def chosen_shape(text: str) -> list[int]:
    """Reads the shape of an input, as 64x8x8x256; raises `BadFlag`."""
    try:
        shape = [int(size) for size in text.split("x")]
    except ValueError:
        shape = []
    if not 2 <= len(shape) <= 5 or min(shape) < 1 or math.prod(shape) > ELEMENTS:
        raise BadFlag(
            "--shapes must be of 2 to 5 whole numbers, as 64x8x8x256, whose product is at most "
            f"{ELEMENTS:,}. Received: shapes={text!r}"
        )
    return shape


def check_out(path: str) -> None:
    """Raises `BadFlag` if nothing can be written to a directory: before anything is timed."""
    here = pathlib.Path(path).absolute()
    try:
        there = next(each for each in (here, *here.parents) if each.exists())
        can_be = bool(path) and there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    except OSError:
        can_be = False
    if not can_be:
        raise BadFlag(f"--out must be a directory that can be written to. Received: out={path!r}")


def parse(arguments: list[str]) -> list[str]:
    """Parses a command line; leaves after `--help` and `--version`, and after a mistake."""
    asked = set(arguments[1:])
    if {"--help", "-h"} & asked:
        own = flags.FLAGS.module_help(sys.modules[__name__])
        print(USAGE.strip(), own.partition("\n")[2], OTHERS, sep="\n\n")
        sys.exit(0)
    if "--version" in asked:
        print(f"tfnorm {tfnorm.__version__}, tensorflow {tf.__version__}")
        sys.exit(0)
    try:
        rest = flags.FLAGS(arguments)
    except (flags.Error, ValueError) as error:
        leave(f"{str(error).splitlines()[0]} See --help.")
    if rest[1:]:
        leave(f"Arguments are flags, --name=value. Received: {' '.join(rest[1:])}")
    return rest


def guarded(main: Callable[[], None]) -> None:
    """Calls `main`; what a user can mend ends in one line, and exit code 1."""
    try:
        main()
    except (BadFlag, OSError) as error:
        leave(str(error))
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        leave(f"There is not enough memory for this. Received: {str(error).splitlines()[0]}")


def leave(message: str) -> typing.NoReturn:
    """Ends the program with a mistake in one line."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)


def run(arguments: list[str]) -> None:
    """Runs the program on its command line; a mistake is one line, and exit code 1."""
    handle_signals()
    define_flags()
    app.run(lambda _: guarded(main), argv=arguments, flags_parser=parse)


if __name__ == "__main__":
    run(sys.argv)
