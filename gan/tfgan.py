"""tensorflow-gan 2.1.0, importable: `from gan.tfgan import tfgan`.

Its import derives classes from three of `tf.estimator`, which TensorFlow 2.16 removed. Empty
classes stand there while it is imported; nothing of it is usable that would need real ones. Of what
is, and of what works with Keras 3, we use the losses in `losses.wargs` and `eval` on activations.
"""

import contextlib
import sys
import types
import warnings

import tensorflow as tf
import tensorflow.compat.v1 as tf1  # Importing it rebinds `tf.compat.v1`, so before the placing.


@contextlib.contextmanager
def _placeholders():
    tpu = types.SimpleNamespace(TPUEstimator=type("TPUEstimator", (), {}))
    placed = {
        tf: types.SimpleNamespace(
            Estimator=type("Estimator", (), {}), SessionRunHook=type("SessionRunHook", (), {})
        ),
        tf1: types.SimpleNamespace(tpu=tpu),
    }
    missing = [module for module in placed if not hasattr(module, "estimator")]
    for module in missing:
        module.estimator = placed[module]
    try:
        yield
    finally:
        for module in missing:
            del module.estimator


@contextlib.contextmanager
def _path_kept():
    """The path as it was: pkg_resources, which it imports, adds where it finds an egg-info."""
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path


# It and what it imports warn of their own age, and set filters that would outlast the import.
with _placeholders(), _path_kept(), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tensorflow_gan as tfgan

__all__ = ["tfgan"]
