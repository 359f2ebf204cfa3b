"""Measures images against images: `python -m gan.evaluate --run_dir=DIR`."""

import json
import pathlib
import platform

import keras
import numpy as np
import tensorflow as tf
from absl import flags

import tfnorm
from gan import presets, run
from gan.images import Options, open_run, open_side, run_config
from gan.metrics import sources
from gan.metrics.evaluation import METRICS, compare, table, training_distance
from gan.metrics.features import load_features
from gan.metrics.statistics import Statistics, gather
from harness import program
from harness.errors import UserError
from harness.files import write_whole
from harness.run import actions

USAGE = """
Measures images against images, prints a table and writes the numbers as JSON.

The samples of a finished run against the test split of its dataset: a flag that is left out is as
the run has it, and the numbers go to evaluation.json in the run's directory.

  python -m gan.evaluate --run_dir=runs/quickstart

Any images against any others: a flag that is left out is as in the preset cifar10_dcgan, and images
keep their size.

  python -m gan.evaluate --generated=runs/zca --reference=cifar10:test --data_dir=DATA_DIR
  python -m gan.evaluate --generated=FOLDER --reference=images.npz --out=evaluation.json

Each side is one of: a run directory, or a SavedModel serving_default(latent[, labels]) -> images in
[-1, 1], for its samples; a folder of images, and the folders in it; an .npz file of images, uint8
(n, h, w, 1 or 3), as `images` or `arr_0`, or of statistics of features, `mean` and `covariance` or
`mu` and `sigma`; a split of a dataset, NAME:SPLIT.
"""

ROWS = 10_000
FLAGS = ("dataset", "data_dir", "image_size", "features", "eval_samples", "seed")


def define_flags():
    """The flags of this program."""
    program.define_flag("run_dir", str, "Images", "Directory of a run that is complete.")
    program.define_flag("generated", str, "Images", "What to measure, see above.")
    program.define_flag("reference", str, "Images", "What to measure it against, see above.")
    program.define_flag(
        "num_classes", int, "Images", "Number of classes of a generator that no run tells of."
    )
    program.define_flags(presets.Config, only=FLAGS)
    program.define_flag(
        "metrics", str, "Evaluation", f"Of {','.join(METRICS)}, with commas; left out: all."
    )
    program.define_flag(
        "feature_rows",
        int,
        "Evaluation",
        "Images of each side, the first, that kernel_distance and precision_recall are of. Their "
        f"features are kept in memory, 4 bytes each. Left out: {ROWS}.",
    )
    program.define_flag("out", str, "Evaluation", "JSON file to write the numbers to.")


def main():
    """Reads the flags, measures, prints and writes."""
    given = flags.FLAGS
    metrics = _metrics(given.metrics)
    rows = ROWS if given.feature_rows is None else given.feature_rows
    for name, least in (("feature_rows", 0), ("num_classes", 1), ("image_size", 1)):
        value = getattr(given, name)
        if value is not None and value < least:
            raise UserError(f"--{name} must be at least {least}. Received: {name}={value}")
    pair = {"generated": given.generated, "reference": given.reference}
    if given.run_dir is not None and not any(pair.values()):
        run_dir = pathlib.Path(given.run_dir)
        config = _override(run_config(run_dir))
        training, test = run.splits(config)
        options = Options(config.data_dir, config.image_size, given.num_classes, config.seed)
        generated, reference = open_run(run_dir, options), sources.from_split(test)
        out = given.out or run_dir / "evaluation.json"
    elif given.run_dir is None and all(pair.values()) and given.dataset is None:
        config, training, out = _override(presets.Config()), None, given.out
        options = Options(config.data_dir, given.image_size, given.num_classes, config.seed)
        generated, reference = (open_side(name, spec, options) for name, spec in pair.items())
    else:
        raise UserError(
            "Give --run_dir, a run that is complete, or both of --generated and --reference, and "
            "with these no --dataset: a split of a dataset is --reference=NAME:SPLIT."
        )
    files = all(isinstance(side, Statistics) for side in (generated, reference))
    features = None if files else load_features(config.features)
    result, reference = _compare(generated, reference, features, config, metrics, rows)
    print(table(result))
    if training is not None:
        real = run.statistics(training, config, features)
        result["training_distance"], comparison = training_distance(real, reference)
        print(comparison)
    if out is not None:
        write_whole(out, json.dumps(result, indent=2) + "\n")


def _metrics(names):
    """The names in the text of a flag, once each; None is all."""
    names = list(METRICS) if names is None else list(dict.fromkeys(names.split(",")))
    for name in names:
        if name not in METRICS:
            raise UserError(
                f"--metrics must be of {', '.join(METRICS)}, with commas. Received: {name!r}"
            )
    return names


def _override(config):
    try:
        return program.override(config, FLAGS)
    except ValueError as error:
        raise UserError(str(error)) from error


def _compare(generated, reference, features, config, metrics, rows):
    """The result that is written of two sides, and the `Statistics` of the reference."""
    if not any(METRICS[name].needs_rows for name in metrics):
        rows = 0
    if features is not None:
        try:
            sources.check_comparable((generated, reference), features)
        except ValueError as error:
            raise UserError(str(error)) from error
    if getattr(reference, "split", None) is not None and not rows:  # which may be in a file
        real = run.statistics(reference.split, config, features)
    else:
        real = _statistics(reference, features, config, rows)
    made = _statistics(generated, features, config, rows)
    try:
        result = compare(made, real, metrics, config.seed)
    except ValueError as error:
        raise UserError(f"{made.name} and {real.name} cannot be compared: {error}") from error
    result |= {
        "features": features and features.name,
        "features_fingerprint": features and features.fingerprint,
        "seed": config.seed,
        "versions": {
            "tfnorm": tfnorm.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    return result, real


def _statistics(side, features, config, rows):
    """`Statistics` of a `Source`, with progress on the screen."""
    if isinstance(side, Statistics):
        return side
    count = config.eval_samples if side.count is None else min(config.eval_samples, side.count)
    progress = actions.Progress(f"images of {side.name}")
    try:
        return gather(side.batches(count), count, side.name, features, rows, progress)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"The images of {side.name} cannot be measured: {error}") from error


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
