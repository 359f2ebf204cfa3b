"""SavedModels in directories of any name."""

import pathlib

import absl.logging
import tensorflow as tf

from harness.datasets.damage import reason
from harness.files import plain_name


def load(path):
    """Loads the SavedModel in a directory, as `tf.saved_model.load`.

    Raises:
        ValueError: there is none that is whole.
    """
    verbosity = absl.logging.get_verbosity()
    # TensorFlow logs tracebacks of files that it does without.
    absl.logging.set_verbosity(absl.logging.FATAL)
    try:
        with plain_name(path) as name:
            return tf.saved_model.load(name)
    except Exception as error:  # Damaged files surface as one of many types.
        raise ValueError(reason(error) or type(error).__name__) from error
    finally:
        absl.logging.set_verbosity(verbosity)


def is_one(path):
    """Whether there is a SavedModel in a directory of this path."""
    files = (pathlib.Path(path) / name for name in ("saved_model.pb", "saved_model.pbtxt"))
    return any(file.is_file() for file in files)
