"""tensorflow-gan 2.1.0, importable: `from gan.tfgan import tfgan`.

Its import derives classes from three of `tf.estimator`, which TensorFlow 2.16 removed. Empty
classes stand there while it is imported; nothing of it is usable that would need real ones. Of what
is, and of what works with Keras 3, we use the losses in `losses.wargs` and `eval` on activations.
"""

import contextlib
import sys
import types
import warnings

import packaging.version
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
def _version_parser():
    """Where there is no `pkg_resources`, one with what tensorflow-hub takes from it.

    Setuptools has none from 82 on. What was before needs it itself, and adds to the path where it
    finds an egg-info: the path is afterwards as it was.
    """
    path, missing = list(sys.path), sys.modules.get("pkg_resources", ...)
    try:
        import pkg_resources  # noqa: F401
    except ImportError:
        module = types.ModuleType("pkg_resources")
        module.parse_version = packaging.version.parse
        sys.modules["pkg_resources"] = module
    else:
        module = None
    try:
        yield
    finally:
        sys.path[:] = path
        if module is not None:
            del sys.modules["pkg_resources"]
            if missing is None:  # as a test has it
                sys.modules["pkg_resources"] = missing


# It and what it imports warn of their own age, and set filters that would outlast the import.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    with _placeholders(), _version_parser():
        import tensorflow_gan as tfgan

__all__ = ["tfgan"]
