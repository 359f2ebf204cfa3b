"""Measures a classifier: `python -m classify.evaluate --run_dir=DIR`."""

from harness import program

if __name__ == "__main__":
    program.handle_signals()  # before the imports that take a while

import dataclasses

from absl import flags as absl_flags

from classify.config import Config
from harness import flags
from harness.errors import UserError
from harness.outputs import check_file
from harness.tables import names_in

USAGE = """
Measures a classifier on the images of a split, prints accuracies and writes them as JSON.

A run that is complete, on its test split: a flag that is left out is as the run has it, and the
numbers go to evaluation.json in the run's directory (of another network or split, to
evaluation_best.json, evaluation_cifar10_train.json and so on). Where the run is trained further,
they are kept as evaluation-STEP.json and so on.

  python -m classify.evaluate --run_dir=runs/digits
  python -m classify.evaluate --run_dir=runs/vgg --data_dir=DATA_DIR --which=best

Any SavedModel of serving_default(images) -> logits, images being float32 (n, h, w, c) in [0, 255]:

  python -m classify.evaluate --saved_model=DIR --dataset=cifar10 --data_dir=DATA_DIR
"""

FIELDS = ("dataset", "data_dir", "image_size", "test_split")
# What is read where it is a path.
READ = ("saved_model", "data_dir")


def define_flags():
    """The flags of this program."""
    flags.define_flag(
        "run_dir", str, "Classifier", "Directory of a run of classify.train, to measure."
    )
    flags.define_flag(
        "which",
        str,
        "Classifier",
        "Which network of a run: last, that at its end; folded, that with its normalizations "
        "folded; best, that of the evaluation with the best accuracy so far.",
        names_in("classify.measured", "FILES"),
        default="last",
    )
    flags.define_flag(
        "saved_model",
        str,
        "Classifier",
        "Directory of a SavedModel to measure, see above. It can write files: see SECURITY.md.",
    )
    flags.define_flags(Config, only=FIELDS, defaults="as the run has it, else as cifar10_resnet110")
    flags.define_flag(
        "resized_crop",
        bool,
        "Data",
        "Whether images are read as ImageNet's are: resized, and the middle cut out at "
        "--image_size.",
        default="as the run has it, else false",
    )
    flags.define_flag(
        "out",
        str,
        "Evaluation",
        "JSON file to write the numbers to: none that is read, and none that a run has for "
        "something else.",
        default="evaluation.json in --run_dir, else none",
    )


def main():
    """Reads the flags, measures, prints and writes."""
    given = absl_flags.FLAGS
    if (given.run_dir is None) == (given.saved_model is None):
        received = "neither" if given.run_dir is None else "both"
        raise UserError(
            "Give --run_dir, the directory of a run, or --saved_model, not both. "
            f"Received: {received}"
        )
    if given.saved_model is not None and given.which is not None:
        raise UserError(
            f"--which chooses among the networks of a run, and needs --run_dir. "
            f"Received: which={given.which}, "
            f"saved_model={given.saved_model}"
        )
    out = given.out
    if out is not None:
        out = check_file("out", out, {name: getattr(given, name) for name in READ})
    program.load_tensorflow()
    from classify.measured import measure_run, measure_saved_model
    from classify.saved import run_config

    known = Config(augmentation="none") if given.run_dir is None else run_config(given.run_dir)
    config = flags.override(known, FIELDS)
    if given.resized_crop is not None:
        augmentation = "resized_crop_flip" if given.resized_crop else "none"
        config = dataclasses.replace(config, augmentation=augmentation)
    if given.run_dir is None:
        measure_saved_model(given.saved_model, config, out)
    else:
        measure_run(given.run_dir, given.which or "last", config, out)


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
