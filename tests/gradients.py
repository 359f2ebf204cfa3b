"""Gradients two ways: of NumPy functions by central differences, of TensorFlow's by its tape."""

import numpy as np
import tensorflow as tf


def by_differences(function, point, step=1e-4):
    """The gradient of a scalar NumPy function at a float64 array, by the five-point rule.

    The rule's error is of the order of step^4 times the fifth derivative, and rounding's of 1e-16 /
    step: about 1e-11 for functions that change on a scale of 1.
    """
    point = np.array(point, np.float64)
    result = np.empty_like(point)
    for index in np.ndindex(point.shape):
        kept = point[index]
        values = []
        for offset in (1, -1, 2, -2):
            point[index] = kept + offset * step
            values.append(function(point))
        point[index] = kept
        result[index] = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * step)
    return result


def by_tape(function, inputs, dy, dtype="float64"):
    """A TensorFlow function's value, and its gradients for the upstream gradient dy, in NumPy.

    The gradient of an input that the function does not use is 0.
    """
    inputs = [tf.constant(x, dtype) for x in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = function(*inputs)
    gradients = tape.gradient(
        y, inputs, output_gradients=tf.constant(dy, dtype), unconnected_gradients="zero"
    )
    return y.numpy(), [gradient.numpy() for gradient in gradients]


def relative_error(value, truth):
    """The largest difference, in units of the truth's largest entry."""
    return np.max(np.abs(np.asarray(value, np.float64) - truth)) / np.max(np.abs(truth))
