"""Trains a feature network on labelled images and exports it: `python -m gan.train_features`."""

from harness import program

if __name__ == "__main__":
    program.handle_signals()  # before the imports that take a while

import dataclasses
import re

from absl import flags as absl_flags

from harness import flags
from harness.config import Configuration, Data, Run, again
from harness.errors import UserError
from harness.outputs import check_directory, check_replaced, through_links

USAGE = """
Trains a small classifier and exports it as a SavedModel for the programs' --features. The one for
the digits that comes with the project was made by

  python -m gan.train_features --dataset=digits --out=gan/metrics/digits
"""

# What is in the directory that it writes.
WRITTEN = re.compile(
    r"saved_model\.pb|fingerprint\.pb|assets|variables(/variables\.(index|data-\d+-of-\d+))?"
)


@dataclasses.dataclass(frozen=True)
class Config(Configuration):
    """What determines the network."""

    dataset: str = again(
        Data,
        "dataset",
        "digits",
        "Labelled images to train on: digits, which come with the program, or the name of a "
        "dataset that is in --data_dir, as mnist.",
    )
    data_dir: str | None = again(Data, "data_dir", None)
    steps: int = again(Run, "steps", 2000)
    batch_size: int = again(Run, "batch_size", 64, "Images in a step.")
    seed: int = again(Run, "seed", 0, "Number that weights, order and shifts follow from.")


def define_flags():
    """The flags of this program."""
    flags.define_flags(Config, defaults=[Config()])
    flags.define_flag(
        "out",
        str,
        "Run",
        "Directory of the SavedModel to write, which is new or has one alone. Required.",
    )


def main():
    """Reads the flags, trains, exports, and measures what was exported."""
    out = absl_flags.FLAGS.out
    if out is None:
        raise UserError("--out is required: the directory of the SavedModel to write.")
    check_directory("out", out)
    directory = through_links(out)
    rule = "--out must be a new directory, or that of a SavedModel alone, which is replaced. "
    rule += f"Received: out={out}"
    if directory.exists() and not (directory / "saved_model.pb").exists():
        raise UserError(f"{rule}, which is something else")
    check_replaced(rule, directory, WRITTEN.fullmatch)
    config = flags.override(Config())
    program.load_tensorflow()
    from gan.feature_network import train_features

    train_features(config, directory)


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
