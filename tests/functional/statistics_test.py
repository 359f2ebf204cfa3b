"""Sums of rows and moving averages against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tfnorm.functional import statistics

ROWS = np.random.default_rng(0).normal(size=(1000, 3))


def test_column_sums_and_count():
    sums = statistics.column_sums(tf.constant(ROWS))
    np.testing.assert_allclose(sums, ROWS.sum(0), rtol=1e-12)
    count = statistics.count(tf.constant(ROWS, tf.float32))
    assert count.dtype == tf.float32 and count == 1000


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_momentum_weighs_the_old_value(momentum):
    old, new = [np.ones(2), np.zeros((2, 2))], [np.array([3.0, -1.0]), np.eye(2)]
    average = statistics.moving_average(
        [tf.constant(value) for value in old], [tf.constant(value) for value in new], momentum
    )
    for value, before, after in zip(average, old, new, strict=True):
        np.testing.assert_allclose(value, momentum * before + (1 - momentum) * after, rtol=1e-14)


@pytest.mark.parametrize("old", [1e12, -3e30, np.nan, np.inf])
def test_without_momentum_the_old_value_does_not_count(old):
    (value,) = statistics.moving_average([tf.constant([old])], [tf.constant([0.1])], 0.0)
    assert value.numpy() == np.float32([0.1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_number_leaves_all_as_they_were(bad):
    old, new = [tf.zeros([2]), tf.zeros([2, 2])], [tf.ones([2]), tf.constant([[1.0, 1], [1, bad]])]
    for value in statistics.moving_average(old, new, 0.5):
        np.testing.assert_array_equal(value, tf.zeros_like(value))


class TwoReplicas:
    """A replica context in which the other replica has the same; counts collectives."""

    num_replicas_in_sync = 2

    def __init__(self):
        self.collectives = 0

    def all_reduce(self, op, value):
        assert op == tf.distribute.ReduceOp.SUM and isinstance(value, tf.Tensor)
        self.collectives += 1
        return 2.0 * value


def test_all_replicas_are_summed_in_one_collective(monkeypatch):
    context = TwoReplicas()
    monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)
    tensors = [tf.constant(3.0), tf.ones([2, 3]), tf.range(4.0)]
    for value, tensor in zip(statistics.all_replicas(tensors), tensors, strict=True):
        np.testing.assert_array_equal(value, 2.0 * tensor)
    assert context.collectives == 1


@pytest.mark.parametrize(
    "layer, forward, backward",
    [
        (lambda: tfnorm.BatchWhitening("cd", synchronized=True), 2, 1),
        (lambda: tfnorm.BatchWhitening("itn", group_size=None, synchronized=True), 2, 1),
        (lambda: tfnorm.Unitization(synchronized=True), 2, 2),
    ],
)
def test_collectives_of_a_step(layer, forward, backward, monkeypatch):
    context, layer = TwoReplicas(), layer()
    layer.build((None, 2, 2, 32))
    monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)
    x = tf.random.normal([64, 2, 2, 32])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    assert context.collectives == forward
    tape.gradient(y, x)
    assert context.collectives == forward + backward


def test_all_replicas_outside_a_strategy_is_one():
    tensors = [tf.constant([1.0, 2.0])]
    assert statistics.all_replicas(tensors) is tensors
