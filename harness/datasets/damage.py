"""The reason that a user is told why a file cannot be read."""

import re

import tensorflow as tf


def reason(error):
    """Puts an exception's message in one line.

    Without the names of TensorFlow's graph nodes, and without NumPy's advice to load a pickle that
    it has refused.
    """
    if isinstance(error, PermissionError | tf.errors.PermissionDeniedError):
        return "permission denied"
    text = str(getattr(error, "message", None) or getattr(error, "strerror", None) or error)
    text = text.split("\nTraceback")[0]  # of Python within a graph
    text = re.sub(r"Error in user-defined function .*? with iterator: \S+: ", "", text)
    text = text.partition(" If you trust the file")[0]
    text = re.sub(r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:.*", "", text)
    return " ".join(text.split())[:200]
