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

USAGE = """
Trains a small classifier and exports it as a SavedModel for the programs' --features. The one for
the digits that comes with the project was made by

  python -m gan.train_features --dataset=digits --out=gan/metrics/digits
"""


@dataclasses.dataclass(frozen=True)
class Config(Configuration):
    """What determines the network."""

    dataset: str = again(
        Data, "dataset", "digits", "Labelled images to train on, as mnist; digits if left out."
    )
    data_dir: str | None = again(
        Data, "data_dir", None, "Folder of prepared datasets; digits needs none."
    )
    steps: int = again(Run, "steps", 2000, "Training steps; 2000 if left out.")
    batch_size: int = again(Run, "batch_size", 64, "Images in a step; 64 if left out.")
    seed: int = again(Run, "seed", 0, "Of weights, order and shifts; 0 if left out.")


def define_flags():
    """The flags of this program."""
    flags.define_flags(Config)
    flags.define_flag("out", str, "Run", "Directory of the SavedModel to write; required.")


def main():
    """Reads the flags, trains, exports, and measures what was exported."""
    out = absl_flags.FLAGS.out
    if not out:
        raise UserError("--out is required: the directory of the SavedModel to write.")
    directory = pathlib.Path(out)
    if directory.exists() and not (directory / "saved_model.pb").exists():
        raise UserError(f"--out={out} exists and is not a SavedModel: give another directory.")
    config = flags.override(Config())
    program.load_tensorflow()
    from gan.feature_network import train_features

    train_features(config, out)


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
