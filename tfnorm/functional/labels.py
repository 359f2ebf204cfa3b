"""Rows of a weight by the samples' labels."""

import tensorflow as tf


def rows_of_labels(weight: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Takes weight[label] for each label, with a gradient that is dense thanks to the reshape.

    In a sparse one a class comes once a sample, and Keras' Adam squares these, not their sum.

    Args:
        weight: (classes, ...).
        labels: integers (batch,).

    Returns:
        (batch, ...).
    """
    return tf.gather(tf.reshape(weight, weight.shape), labels)


def rows_of_labels_or_nan(weight: tf.Tensor, labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Takes each label's row of a weight (classes, n), NaN for a label that is no class.

    XLA drops assertions, and would take the nearest class.
    """
    known = (labels >= 0) & (labels < num_classes)
    return tf.where(known[:, tf.newaxis], rows_of_labels(weight, labels), float("nan"))
