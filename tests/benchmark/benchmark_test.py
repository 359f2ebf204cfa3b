"""The benchmark's bookkeeping; its figures are nobody's test."""

import keras
import pytest
import tensorflow as tf

import tfnorm
from tests import descriptors
from tfnorm.benchmark import __main__ as program
from tfnorm.benchmark import measuring


def test_candidates_are_the_baseline_and_each_method_by_group_size():
    layers = measuring.candidates(["cd", "unitization"], [4, 16, None], channels=8)
    assert list(layers) == [("bn", None), ("cd", 4), ("cd", 8), ("unitization", None)]
    assert isinstance(layers["bn", None], keras.layers.BatchNormalization)
    assert layers["cd", 4].get_config()["group_size"] == 4
    assert isinstance(layers["unitization", None], tfnorm.Unitization)


def test_every_layer_can_be_timed():
    layers = measuring.candidates(measuring.layer_names(), [2, None], channels=4)
    made = {type(layer) for layer in layers.values()}
    assert descriptors.public_layers() <= made
    rows = measuring.benchmark((3, 2, 2, 4), layers, rounds=1)
    assert [(row["layer"], row["group_size"]) for row in rows] == list(layers)


def test_figures_are_ratios_to_the_baseline_in_the_same_round(monkeypatch):
    seconds = [[2, 20], [6, 60], [3, 10], [12, 20]]
    monkeypatch.setattr(
        measuring.timing, "interleaved", lambda calls, _: dict(zip(calls, seconds, strict=True))
    )
    layers = {("bn", None): keras.layers.BatchNormalization(), ("m", None): tfnorm.CenterScale()}
    bn, mine = measuring.benchmark((4, 3), layers, rounds=2)
    assert (bn["forward"], bn["forward_backward"]) == (1, 1)
    assert (bn["forward_ms"], bn["forward_backward_ms"]) == (11_000, 33_000)
    assert mine["forward"] == pytest.approx((3 / 2 + 10 / 20) / 2)
    assert mine["forward_backward"] == pytest.approx((12 / 6 + 20 / 60) / 2, abs=1e-3)
    assert mine["shape"] == [4, 3]


class Kept(keras.layers.Layer):
    """y = x^3 by way of a square that is kept, and a reshaped one that is the same memory."""

    def call(self, inputs, training=False):
        square = tf.square(inputs)
        flat = tf.reshape(square, [-1])
        return tf.reshape(flat, tf.shape(inputs)) * inputs + 2.0 * tf.reshape(flat, inputs.shape)


def test_kept_bytes_are_those_that_the_gradient_reads():
    x = tf.ones([5, 8])
    # The input, for the square's gradient, and the square, for the product's.
    assert measuring.kept_bytes(Kept(), [x]) == 2 * 4 * 5 * 8
    # Softmax's gradient reads its output alone.
    assert measuring.kept_bytes(keras.layers.Softmax(), [x]) == 4 * 5 * 8


@pytest.mark.parametrize("method", ["zca", "cd", "itn"])
def test_small_groups_keep_little_more_than_the_input(method):
    """At the size of the target the gradient captures at most 1.15 times the input."""
    layer = tfnorm.BatchWhitening(method, group_size=16)
    x = tf.zeros([64, 8, 8, 64])
    layer(x)
    assert measuring.kept_bytes(layer, [x]) < 1.15 * 4 * 64 * 8 * 8 * 64


@pytest.mark.parametrize("texts", [["8", "x"], ["0"], [""]])
def test_what_is_not_a_number_is_refused(texts):
    with pytest.raises(program.BadFlag, match=f"--shapes .* Received: {'x'.join(texts)}"):
        program.numbers("shapes", texts)
