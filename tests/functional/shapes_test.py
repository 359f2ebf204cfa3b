"""Sizes that must be known when a function is traced."""

import pytest
import tensorflow as tf

from tfnorm.functional import batch_whitening
from tfnorm.functional.shapes import known_size


def test_a_known_size_is_read():
    x = tf.zeros([2, 3, 5])
    assert [known_size(x), known_size(x, 0), known_size(x, 1)] == [5, 2, 3]


@pytest.mark.parametrize("function", [known_size, lambda rows: batch_whitening(rows, None, None)])
def test_an_unknown_number_of_channels_is_refused(function):
    traced = tf.function(function, input_signature=[tf.TensorSpec([4, None])])
    with pytest.raises(ValueError, match=r"must be known\. Received: axis=-1, shape=\(4, None\)"):
        traced(tf.zeros([4, 3]))
