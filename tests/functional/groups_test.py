"""Groups of channels: how they are cut; and inputs of any rank as rows, with sizes unknown."""

import numpy as np
import pytest
import tensorflow as tf

from tfnorm.functional import groups


@pytest.mark.parametrize(
    "channels, group_size, expected",
    [
        (8, None, [(0, 1, 8)]),
        (8, 8, [(0, 1, 8)]),
        (8, 9, [(0, 1, 8)]),
        (8, 4, [(0, 2, 4)]),
        (8, 3, [(0, 2, 3), (6, 1, 2)]),
        (8, 1, [(0, 8, 1)]),
        (5, 4, [(0, 1, 4), (4, 1, 1)]),
        (1, 1, [(0, 1, 1)]),
    ],
)
def test_blocks(channels, group_size, expected):
    assert groups.blocks(channels, group_size) == expected


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
@pytest.mark.parametrize("axis", [-1, 1])
def test_rows_and_back(rank, axis):
    shape = (2, 3, 4, 5, 6)[:rank]
    x = np.random.default_rng(0).normal(size=shape)
    channels_last = np.moveaxis(x, axis, -1)
    rows = groups.to_rows(tf.constant(x), axis)
    np.testing.assert_array_equal(rows, channels_last.reshape(-1, shape[axis]))
    np.testing.assert_array_equal(groups.from_rows(rows, tf.constant(x), axis), x)
