"""Rows of a weight by labels, and the gradient that optimizers need."""

import numpy as np
import tensorflow as tf

from tfnorm.functional.labels import rows_of_labels, rows_of_labels_or_nan

WEIGHT = np.random.default_rng(0).normal(size=(4, 3))
LABELS = np.array([2, 0, 2, 2])


def test_each_label_has_its_row():
    stack = np.random.default_rng(1).normal(size=(4, 3, 2))
    np.testing.assert_array_equal(rows_of_labels(tf.constant(stack), LABELS), stack[LABELS])
    rows = rows_of_labels_or_nan(tf.constant(WEIGHT), LABELS, 4)
    np.testing.assert_array_equal(rows, WEIGHT[LABELS])


def test_the_gradient_is_dense_and_adds_up_over_a_class():
    weight, dy = tf.Variable(WEIGHT), np.random.default_rng(2).normal(size=(4, 3))
    for function in (rows_of_labels, lambda w, labels: rows_of_labels_or_nan(w, labels, 4)):
        with tf.GradientTape() as tape:
            rows = function(tf.convert_to_tensor(weight), LABELS)
        gradient = tape.gradient(rows, weight, output_gradients=tf.constant(dy))
        assert isinstance(gradient, tf.Tensor)
        expected = [dy[1], np.zeros(3), dy[0] + dy[2] + dy[3], np.zeros(3)]
        np.testing.assert_allclose(gradient, expected, rtol=1e-14)


def test_a_label_that_is_no_class_has_nan():
    """Under XLA: elsewhere TensorFlow itself refuses to gather it."""
    function = tf.function(rows_of_labels_or_nan, jit_compile=True)
    rows = function(tf.constant(WEIGHT), tf.constant([-1, 3, 4, 0]), num_classes=4).numpy()
    np.testing.assert_array_equal(np.isnan(rows).all(1), [True, False, True, False])
    np.testing.assert_array_equal(rows[[1, 3]], WEIGHT[[3, 0]])
