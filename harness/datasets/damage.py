"""What a user is told of a file that cannot be read."""

import re

import tensorflow as tf


def reason(error):
    """An exception's message in one line, without the names of TensorFlow's graph nodes."""
    if isinstance(error, PermissionError | tf.errors.PermissionDeniedError):
        return "permission denied"
    text = str(getattr(error, "message", None) or getattr(error, "strerror", None) or error)
    text = text.split("\nTraceback")[0]  # of Python within a graph
    text = re.sub(r"Error in user-defined function .*? with iterator: \S+: ", "", text)
    text = re.sub(r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:.*", "", text)
    return " ".join(text.split())[:200]
