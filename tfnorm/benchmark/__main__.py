"""Times every layer against TensorFlow's fused kernel: `python -m tfnorm.benchmark`."""

import importlib.util
import json
import pathlib
import sys
import typing
from collections.abc import Iterable

import absl.logging
import tensorflow as tf
from absl import app, flags

from tfnorm.benchmark import machine, table
from tfnorm.benchmark.candidates import UNIT, candidates, layer_names
from tfnorm.benchmark.kinds import KINDS
from tfnorm.benchmark.measuring import benchmark
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

  python -m tfnorm.benchmark --layers=cd,itn --shapes=64x8x8x256 --group_sizes=16,64,none
"""

SHAPES = ("64x8x8x256", "64x32x32x64", "1024x512")
GROUP_SIZES = ("8", "16", "64", "none")
DEFAULT_KINDS = ("forward", "forward_backward", "inference", "inference_matrix")


class BadFlag(Exception):
    """A flag's value is not what it must be: the rule, and what was received."""


def define_flags() -> None:
    """Defines the flags of this program."""
    names = layer_names()
    flags.DEFINE_list("layers", list(names), f"Layers to time, of {', '.join(names)}.")
    flags.DEFINE_list("kinds", list(DEFAULT_KINDS), f"Kinds of call, of {', '.join(KINDS)}.")
    flags.DEFINE_list("shapes", list(SHAPES), "Shapes of the input, as 64x8x8x256.")
    flags.DEFINE_list(
        "group_sizes", list(GROUP_SIZES), "Channels in a group; none: one group of all."
    )
    flags.DEFINE_integer("rounds", 30, "Turns that each call gets.")
    flags.DEFINE_string(
        "out",
        None,
        "Directory for benchmark.json, and with forward_backward for group_size.png, time against "
        "group size (which needs matplotlib); left out, nothing is written.",
    )


def main() -> None:
    """Reads the flags, times, prints a table and writes the figures."""
    given = flags.FLAGS
    layers = chosen("layers", given.layers, layer_names())
    kinds = chosen("kinds", given.kinds, KINDS)
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
    absl.logging.set_verbosity(absl.logging.ERROR)  # exporting and loading say much
    tf.get_logger().setLevel("ERROR")
    torch = find_torch()
    here = machine.describe(torch)
    print(head_line(here))
    if load := machine.load_if_busy():
        print(f"The machine is not idle (load {load:.1f}): these figures are not to be trusted.")
    results = []
    for shape in shapes:
        print(f"\n{'x'.join(map(str, shape))}, float32, {rounds} rounds")
        print(table.head(kinds))
        for row in benchmark(shape, candidates(layers, sizes, shape[-1], torch), kinds, rounds):
            results.append(row)
            print(table.line(row, kinds), flush=True)
    if given.out:
        out = pathlib.Path(given.out)
        out.mkdir(parents=True, exist_ok=True)
        report = {"unit": UNIT, "machine": here, "rounds": rounds, "results": results}
        (out / "benchmark.json").write_text(json.dumps(report, indent=2) + "\n")
        if "forward_backward" in kinds:
            draw_group_sizes(out / "group_size.png", results)


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
        raise BadFlag(f"--{flag} are of {', '.join(names)}. Received: {','.join(values)}")
    return [name for name in names if name in values]


def numbers(flag: str, texts: list[str]) -> list[int]:
    """Reads the positive numbers of a flag's texts; raises `BadFlag` where one is not."""
    try:
        values = [int(text) for text in texts]
    except ValueError:
        values = [0]
    if min(values) < 1:
        raise BadFlag(f"--{flag} are positive numbers. Received: {'x'.join(texts)}")
    return values


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
