"""Sums of rows and moving averages against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_number_leaves_all_as_they_were(bad):
    old, new = [tf.zeros([2]), tf.zeros([2, 2])], [tf.ones([2]), tf.constant([[1.0, 1], [1, bad]])]
    for value in statistics.moving_average(old, new, 0.5):
        np.testing.assert_array_equal(value, tf.zeros_like(value))


def test_all_replicas_outside_a_strategy_is_one():
    tensors = [tf.constant([1.0, 2.0])]
    assert statistics.all_replicas(tensors) is tensors
