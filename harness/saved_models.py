"""SavedModels in directories of any name."""

import pathlib

import tensorflow as tf

from harness.files import plain_name


def load(path):
    """Loads the SavedModel in a directory, as `tf.saved_model.load`."""
    with plain_name(path) as name:
        return tf.saved_model.load(name)


def is_one(path):
    """Whether there is a SavedModel in a directory of this path."""
    files = (pathlib.Path(path) / name for name in ("saved_model.pb", "saved_model.pbtxt"))
    return any(file.is_file() for file in files)
