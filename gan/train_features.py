"""Trains a feature network on labelled images and exports it: `python -m gan.train_features`."""

from harness import program

if __name__ == "__main__":
    program.handle_signals()  # before the imports that take a while

import dataclasses
import pathlib

from absl import flags as absl_flags

from harness import flags
from harness.config import Configuration, Data, Run, again
from harness.errors import UserError
from harness.files import check_directory

USAGE = """
Trains a small classifier and exports it as a SavedModel for the programs' --features. The one for
the digits that comes with the project was made by

  python -m gan.train_features --dataset=digits --out=gan/metrics/digits
"""


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
    flags.define_flag("out", str, "Run", "Directory of the SavedModel to write. Required.")


def main():
    """Reads the flags, trains, exports, and measures what was exported."""
    out = absl_flags.FLAGS.out
    if out is None:
        raise UserError("--out is required: the directory of the SavedModel to write.")
    check_directory("out", out)
    directory = pathlib.Path(out)
    if directory.exists() and not (directory / "saved_model.pb").exists():
        raise UserError(
            "--out must be a new directory, or that of a SavedModel, which is replaced. "
            f"Received: out={out}, which is something else"
        )
    config = flags.override(Config())
    program.load_tensorflow()
    from gan.feature_network import train_features

    train_features(config, out)


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
