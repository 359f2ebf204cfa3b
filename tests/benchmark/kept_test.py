"""Bytes that gradients keep."""

import keras
import pytest
import tensorflow as tf

import tfnorm
from tfnorm.benchmark.fused import FusedBatchNormalization
from tfnorm.benchmark.kept import kept_bytes


class Kept(keras.layers.Layer):
    """y = x^3 by way of a square that is kept, and a reshaped one that is the same memory."""

    def call(self, inputs, training=False):
        square = tf.square(inputs)
        flat = tf.reshape(square, [-1])
        return tf.reshape(flat, tf.shape(inputs)) * inputs + 2.0 * tf.reshape(flat, inputs.shape)


@tf.function
def inner(x, doubled):
    """x * exp(x): its gradient reads x, which it takes in another shape, and the exponential."""
    x = tf.reshape(x, [-1])
    return tf.reshape(x * tf.exp(x) + tf.square(doubled), [5, 8])


@tf.function(jit_compile=True)
def outer(x):
    return inner(tf.reshape(x, [8, 5]), tf.reshape(x, [-1])) * x


class Compiled(keras.layers.Layer):
    """A function within a function that XLA compiles."""

    def call(self, inputs, training=False):
        return outer(inputs)


def test_kept_bytes_are_those_that_the_gradient_reads():
    x = tf.ones([5, 8])
    # The input, for the square's gradient, and the square, for the product's.
    assert kept_bytes(Kept(), [x]) == 2 * 4 * 5 * 8
    # Softmax's gradient reads its output alone.
    assert kept_bytes(keras.layers.Softmax(), [x]) == 4 * 5 * 8


def test_what_a_function_within_hands_on_is_counted_once():
    # x, however it is reshaped within, its exponential, and the inner function's result.
    assert kept_bytes(Compiled(), [tf.ones([5, 8])]) == 3 * 4 * 5 * 8


@pytest.mark.parametrize("shape", [(5, 8), (5, 3, 8), (5, 2, 3, 8)])
def test_the_fused_kernel_keeps_its_input_and_two_vectors(shape):
    x = tf.ones(shape)
    assert kept_bytes(FusedBatchNormalization(), [x]) == 4 * (tf.size(x) + 2 * 8)


def test_unitization_that_xla_compiles_keeps_little_more_than_its_input():
    layer = tfnorm.Unitization()
    x = tf.zeros([64, 32, 32, 16])
    layer(x)
    assert 1.0 < kept_bytes(layer, [x]) / (4 * 64 * 32 * 32 * 16) < 1.01


@pytest.mark.parametrize("method", ["zca", "cd", "itn"])
def test_small_groups_keep_little_more_than_the_input(method):
    """At the size of the target the gradient captures at most 1.15 times the input."""
    layer = tfnorm.BatchWhitening(method, group_size=16)
    x = tf.zeros([64, 8, 8, 64])
    layer(x)
    assert kept_bytes(layer, [x]) < 1.15 * 4 * 64 * 8 * 8 * 64
