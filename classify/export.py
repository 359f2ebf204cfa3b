"""Classifiers as SavedModels, which take images as they are stored."""

import json
import pathlib

import keras
import tensorflow as tf

from classify.identity import NAMES
from harness.files import write_whole
from tfnorm.folding import fold_normalization


def export(model, scaling, path, class_names=None):
    """Writes `serving_default(images) -> logits`.

    Args:
        model: a Keras model of scaled images (n, height, width, channels) to logits (n, classes).
        scaling: `scalings.Scaling` from images in [0, 255] to what the model takes, which becomes
            part of what is written.
        path: the directory, which then has a SavedModel that needs TensorFlow only: `images`
            float32 (n, height, width, channels) in [0, 255] to `logits` float32 (n, classes). It
            whitens by matrices, which are computed here.
        class_names: names of the classes, which go to `assets.extra/classes.json` in it; None: they
            have none.
    """
    _write(fold_normalization(model, matrices_only=True)[0], scaling, path, class_names)


def export_folded(model, scaling, path, images, class_names=None):
    """Likewise with the normalizations folded into the layers around them.

    Args:
        model, scaling, path, class_names: see `export`.
        images: (n, height, width, channels), scaled, to compare both with.

    Returns:
        The folded model, and the largest difference of the logits of the images, relative to the
        largest logit.
    """
    folded, difference = fold_normalization(model, images)
    _write(folded, scaling, path, class_names)
    return folded, difference


def _write(model, scaling, path, class_names):
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve",
        lambda images: {"logits": model(scaling(images), training=False)},
        input_signature=[tf.TensorSpec([None, *model.input_shape[1:]], name="images")],
    )
    archive.write_out(str(path), verbose=False)
    if class_names is not None:
        write_whole(pathlib.Path(path) / NAMES, json.dumps({"classes": class_names}) + "\n")
