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


SIZES = (2, 3, 4, 5, 6)
# Which of the sizes are not known when the function is traced; the channels always are.
UNKNOWN = {
    "batch": lambda i: i == 0,
    "first pixels": lambda i: i == 1,
    "last pixels": lambda i: i == 4,
    "pixels": lambda i: i > 0,
    "batch and pixels": lambda i: True,
}


@pytest.mark.parametrize("unknown", UNKNOWN)
@pytest.mark.parametrize("rank", [2, 3, 4, 5])
@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_rows_and_back_with_unknown_sizes(rank, axis, unknown):
    """The values are the same, and what was known of the shape still is."""
    if axis >= rank:
        axis = -rank + 1  # the first axis after the batch, counted from the back
    shape = list(SIZES[:rank])
    traced_shape = [None if UNKNOWN[unknown](i) else size for i, size in enumerate(shape)]
    traced_shape[axis] = shape[axis]
    traced = {}

    @tf.function(input_signature=[tf.TensorSpec(traced_shape, tf.float64)])
    def function(x):
        rows, samples = groups.to_rows(x, axis), groups.to_samples(x, axis)
        back = groups.from_rows(rows + 1.0, x, axis)
        traced.update(rows=rows.shape, samples=samples.shape, back=back.shape)
        return rows, samples, back

    x = np.random.default_rng(0).normal(size=shape)
    rows, samples, back = function(x)
    channels_last = np.moveaxis(x, axis, -1)
    np.testing.assert_array_equal(rows, channels_last.reshape(-1, shape[axis]))
    np.testing.assert_array_equal(samples, channels_last.reshape(shape[0], -1, shape[axis]))
    np.testing.assert_array_equal(back, x + 1.0)
    if traced_shape[0] is None:
        empty = [value.shape for value in function(x[:0])]
        assert empty == [(0, *rows.shape[1:]), (0, *samples.shape[1:]), (0, *shape[1:])]
    assert traced["back"].as_list() == traced_shape
    assert traced["rows"].as_list()[1] == shape[axis]
    pixels = [size for i, size in enumerate(traced_shape) if i not in (0, axis % rank)]
    known = None if None in pixels else int(np.prod(pixels))
    assert traced["samples"].as_list() == [traced_shape[0], known, shape[axis]]


@pytest.mark.parametrize(
    "shape, axis, rows",
    [
        ((8, 3), -1, 8),
        ((8, 4, 5, 3), -1, 160),
        ((8, 3, 4, 5), 1, 160),
        ((None, 4, 5, 3), -1, 32 * 20),
        ((None, 3, 4, 5), 1, 32 * 20),
        ((8, None, 5, 3), -1, 8 * 5),
        ((8, 3, 4, None), 1, 8 * 4),
        ((None, None, None, 3), -1, 32),
    ],
)
def test_expected_rows(shape, axis, rows):
    expected = []

    @tf.function(input_signature=[tf.TensorSpec(shape)])
    def function(x):
        expected.append(groups.expected_rows(x, axis))
        return x

    function.get_concrete_function()
    assert expected == [rows]


def test_spans_of_blocks_are_all_channels():
    spans = [block.span for block in groups.blocks(8, 3)]
    assert spans == [slice(0, 6), slice(6, 8)]
    assert [block.matrices_shape for block in groups.blocks(8, 3)] == [(2, 3, 3), (1, 2, 2)]
