"""Measures a classifier - of a run, or any SavedModel - on the images of a split."""

import json
import pathlib
import typing

import absl.logging
import numpy as np
import tensorflow as tf

from classify import inputs
from classify.identity import by_names, known_classes
from classify.parts import open_split, run_steps
from classify.saved import best_network, run_config
from classify.scalings import Scaling
from classify.trainer import describe, measure
from harness import saved_models
from harness.errors import UserError
from harness.files import write_whole
from harness.outputs import check_file
from harness.run.actions import Progress
from harness.run.directory import RunDirectory
from harness.run.identity import kept
from harness.versions import versions

# Of each thing of a run that can be measured its file, and what is amiss where there is none.
FILES = {
    "last": (
        "model",
        "The run is not complete: train it to its end, or measure --which=best",
    ),
    "folded": ("model_folded", "The run has no folded model: it was trained without --fold"),
    "best": ("best.keras", "The run has not been evaluated"),
}
# Of more classes none is shown by itself.
_MANY_CLASSES = 20


class Classifier(typing.NamedTuple):
    """Something that classifies.

    Attributes:
        name: what it is called.
        classify: from images (n, height, width, channels) in [0, 255] to logits (n, classes).
        shape: of its input, a `tf.TensorShape`.
    """

    name: str
    classify: typing.Callable
    shape: tf.TensorShape


def measure_run(run_dir, which, config, out):
    """Measures a run; the numbers go to `out`, or to a file of the run that is named for them.

    Args:
        run_dir: its directory.
        which: a key of `FILES`.
        config: a `Config` that says which images.
        out: JSON file to write, no link, or None.
    """
    file, rule = FILES[which]
    path = pathlib.Path(run_dir) / file
    if not path.exists():
        raise UserError(f"{rule}. There is no {path}.")
    known = run_config(run_dir)
    words = [] if which == "last" else [which]
    if (config.dataset, config.test_split) != (known.dataset, known.test_split):
        words += [config.dataset.replace("/", "_"), config.test_split]
    out = out or RunDirectory(run_dir).evaluation(*words)
    out = check_file("out", out, {"data_dir": config.data_dir})
    classifier = _best(run_dir, path) if which == "best" else _saved_model(path)
    classes = known_classes(path, RunDirectory(run_dir))
    step = None if which == "best" else _last_step(run_dir, known)
    _measure(classifier, classes, config, out, step)


def measure_saved_model(path, config, out):
    """Measures a SavedModel on the images that a `Config` says; `out` as in `measure_run`."""
    _measure(_saved_model(path), known_classes(path), config, out)


def _last_step(run_dir, config):
    """The step that a complete run ended at; None: nothing tells how long its epochs were."""
    if config.steps is not None:
        return config.steps
    try:
        return run_steps(config, int(kept(RunDirectory(run_dir))["train_images"]))
    except (TypeError, KeyError, ValueError, OverflowError):
        return None


def _best(run_dir, path):
    model, scaling = best_network(run_dir)
    classify = tf.function(lambda images: model(scaling(images), training=False), autograph=False)
    return Classifier(str(path), classify, tf.TensorShape(model.input_shape))


def _saved_model(path):
    # Loading warns of layers whose gradients are not there: nothing here needs any.
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        signature = saved_models.load(path).signatures["serving_default"]
        inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
        if set(inputs) != {"images"} or "logits" not in outputs:
            raise KeyError(f"takes {sorted(inputs)}, gives {sorted(outputs)}")
    except (OSError, ValueError, KeyError, AttributeError, tf.errors.OpError) as error:
        raise UserError(
            f"{path} must be a SavedModel of serving_default(images) -> logits. Received: {error}"
        ) from error
    return Classifier(
        str(path), lambda images: signature(images=images)["logits"], inputs["images"].shape
    )


def _measure(classifier, classes, config, out, step=None):
    """Measures, prints accuracies, and writes them to `out` if it is not None.

    Args:
        classifier: a `Classifier`.
        classes: names of its classes, or None.
        config: a `Config` that says which images.
        out: JSON file to write, or None.
        step: that of the run which the classifier is of, if it is known, as it is at its end.
    """
    images = by_names(open_split(config, config.test_split), classes)
    unscaled = Scaling(np.float32(0), np.float32(1))
    batches = inputs.named_evaluation_batches(images, unscaled, config.image_size)
    accuracies = measure(_checked(classifier, images), _with_progress(batches, images))
    result = {
        "classifier": classifier.name,
        "step": step,
        "dataset": config.dataset,
        "split": config.test_split,
        "images": len(images.labels),
        **accuracies,
        "versions": versions("tfnorm", "tensorflow", "keras"),
    }
    print(
        f"{classifier.name} on {len(images.labels)} images of {config.dataset} {config.test_split}:"
    )
    print(describe(result))
    shares = result["test_class_accuracies"]
    for label, share in enumerate(shares if len(shares) <= _MANY_CLASSES else ()):
        print(f"  class {label}: {'no images' if share is None else f'{share:.2%}'}")
    if out is not None:
        write_whole(out, json.dumps(result, indent=2) + "\n")


def _checked(classifier, images):
    """The function to logits, after a check that images and classifier fit."""

    def classify(pixels):
        if not classifier.shape.is_compatible_with(pixels.shape):
            raise UserError(
                f"The classifier takes images of shape {tuple(classifier.shape[1:])}. "
                f"Received: images of shape {tuple(pixels.shape[1:])}"
            )
        logits = classifier.classify(pixels)
        if logits.shape[1] != images.num_classes:
            raise UserError(
                f"The classifier and the dataset must have the same classes. Received: "
                f"{logits.shape[1]} and {images.num_classes}"
            )
        return logits

    return classify


def _with_progress(batches, images):
    progress = Progress(f"images of {images.name} {images.split}")
    done = 0
    for batch in batches:
        yield batch
        done += len(batch["labels"])
        progress(done, len(images.labels))
