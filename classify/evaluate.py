"""Measures a classifier: `python -m classify.evaluate --run_dir=DIR`."""

import dataclasses
import json
import pathlib

import absl.logging
import keras
import numpy as np
import tensorflow as tf
from absl import flags

import tfnorm
from classify import run
from classify.config import Config
from classify.experiments import estimation  # noqa: F401 - its layer may be in a best.keras
from classify.parts import open_split
from classify.saved import best_network, run_config
from classify.scalings import Scaling
from classify.trainer import measure
from harness import program
from harness.errors import UserError
from harness.files import write_whole
from harness.run import actions

USAGE = """
Measures a classifier on the images of a split, prints accuracies and writes them as JSON.

A run that is complete, on its test split: a flag that is left out is as the run has it, and the
numbers go to evaluation.json in the run's directory (of another network or split, to
evaluation_best.json, evaluation_cifar10_train.json and so on).

  python -m classify.evaluate --run_dir=runs/digits
  python -m classify.evaluate --run_dir=runs/vgg --data_dir=DATA_DIR --which=best

Any SavedModel of serving_default(images) -> logits, images being float32 (n, h, w, c) in [0, 255]:

  python -m classify.evaluate --saved_model=DIR --dataset=cifar10 --data_dir=DATA_DIR
"""

FLAGS = ("dataset", "data_dir", "image_size", "test_split")
# What of a run is measured: its SavedModels, and the network of its best evaluation.
WHICH = {"last": "model", "folded": "model_folded", "best": "best.keras"}


def define_flags():
    """The flags of this program."""
    program.define_flag("run_dir", str, "Classifier", "Directory of a run.")
    program.define_flag(
        "which",
        str,
        "Classifier",
        "Of a run: the network at its end, that with its normalizations folded, or that of the "
        "evaluation with the best accuracy so far. Left out: last.",
        list(WHICH),
    )
    program.define_flag("saved_model", str, "Classifier", "Directory of a SavedModel.")
    program.define_flags(Config, only=FLAGS)
    program.define_flag(
        "resized_crop",
        bool,
        "Data",
        "Whether images are resized and cropped to --image_size as they are read, as ImageNet's "
        "are. Left out: as the run has it, else not.",
    )
    program.define_flag("out", str, "Evaluation", "JSON file to write the numbers to.")


def main():
    """Reads the flags, measures, prints and writes."""
    given = flags.FLAGS
    if (given.run_dir is None) == (given.saved_model is None):
        raise UserError("Give --run_dir, the directory of a run, or --saved_model, not both.")
    if given.saved_model is not None and given.which is not None:
        raise UserError("--which is of a run: it needs --run_dir.")
    try:
        if given.run_dir is not None:
            config = program.override(run_config(given.run_dir), FLAGS)
        else:
            config = program.override(Config(augmentation="none"), FLAGS)
    except ValueError as error:
        raise UserError(str(error)) from error
    if given.resized_crop is not None:
        augmentation = "resized_crop_flip" if given.resized_crop else "none"
        config = dataclasses.replace(config, augmentation=augmentation)
    classify, shape, name = _classifier(given)
    images = open_split(config, config.test_split)
    identity = Scaling(np.float32(0), np.float32(1))
    batches = run.evaluation_batches(images, identity, config.image_size)
    result = {
        "classifier": name,
        "dataset": config.dataset,
        "split": config.test_split,
        "images": len(images.labels),
        **_measured(classify, shape, _progress(batches, images), images),
        "versions": {
            "tfnorm": tfnorm.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
    }
    print(f"{name} on {len(images.labels)} images of {config.dataset} {config.test_split}:")
    print(run.describe(result))
    for label, share in enumerate(result["test_class_accuracies"]):
        if len(result["test_class_accuracies"]) <= 20:
            print(f"  class {label}: {'no images' if share is None else f'{share:.2%}'}")
    out = given.out
    if out is None and given.run_dir is not None:
        out = pathlib.Path(given.run_dir) / _file(given, config)
    if out is not None:
        write_whole(out, json.dumps(result, indent=2) + "\n")


def _file(given, config):
    """The name of the file with the numbers: one for each thing that is measured."""
    of_run = run_config(given.run_dir)
    parts = [given.which] if given.which not in (None, "last") else []
    if (config.dataset, config.test_split) != (of_run.dataset, of_run.test_split):
        parts += [config.dataset.replace("/", "_"), config.test_split]
    return "_".join(["evaluation", *parts]) + ".json"


def _classifier(given):
    """A function from images in [0, 255] to logits, the shape that it takes, and its name."""
    if given.saved_model is not None:
        return *_saved_model(given.saved_model), given.saved_model
    which = given.which or "last"
    path = pathlib.Path(given.run_dir) / WHICH[which]
    if which == "best":
        model, scaling = best_network(given.run_dir)
        classify = tf.function(lambda images: model(scaling(images), training=False))
        return classify, tf.TensorShape(model.input_shape), str(path)
    if not path.exists():
        rule = {
            "last": "The run is not complete: train it to its end, or measure --which=best",
            "folded": "The run has no folded model: it was trained without --fold",
        }
        raise UserError(f"{rule[which]}. There is no {path}.")
    return *_saved_model(path), str(path)


def _saved_model(path):
    # Loading warns of layers whose gradients are not there: nothing here needs any.
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
        inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
        if set(inputs) != {"images"} or "logits" not in outputs:
            raise KeyError(f"takes {sorted(inputs)}, gives {sorted(outputs)}")
    except (OSError, ValueError, KeyError, AttributeError, tf.errors.OpError) as error:
        raise UserError(
            f"{path} must be a SavedModel of serving_default(images) -> logits. Received: {error}"
        ) from error
    return lambda images: signature(images=images)["logits"], inputs["images"].shape


def _measured(classify, shape, batches, images):
    """`measure`, after a check that images and classifier fit."""

    def checked(pixels):
        if not shape.is_compatible_with(pixels.shape):
            raise UserError(
                f"The classifier takes images of shape {tuple(shape[1:])}. "
                f"Received: images of shape {tuple(pixels.shape[1:])}"
            )
        logits = classify(pixels)
        if logits.shape[1] != images.num_classes:
            raise UserError(
                f"The classifier and the dataset must have the same classes. Received: "
                f"{logits.shape[1]} and {images.num_classes}"
            )
        return logits

    return measure(checked, batches)


def _progress(batches, images):
    progress = actions.Progress(f"images of {images.name} {images.split}")
    done = 0
    for batch in batches:
        yield batch
        done += len(batch["labels"])
        progress(done, len(images.labels))


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
