"""Groups of channels: how they are cut, and that each layout treats each of them alone."""

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, reference, samples
from tfnorm.functional import WHITENERS, apply_whitening, batch_whitening, groups

LAYOUTS = (groups.DenseLayout, groups.BatchedLayout)


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


@pytest.fixture(params=LAYOUTS)
def any_layout(request, monkeypatch):
    """Each layout for every block, whichever is the faster."""
    monkeypatch.setattr(groups, "layout", request.param)


def test_both_layouts_are_in_use():
    found = {
        type(groups.layout(block))
        for channels in (64, 256)
        for size in (1, 16, 32, 64, None)
        for block in groups.blocks(channels, size)
    }
    assert found == set(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_against_numpy(layout, count=3, size=2, n=7):
    layout = layout(groups.Block(0, count, size))
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, n, count * size))
    matrices = rng.normal(size=(count, size, size))
    slices = reference.group_slices(count * size, size)
    np.testing.assert_array_equal(layout.merge(layout.split(tf.constant(a))), a)
    gram = layout.gram(layout.split(tf.constant(a)), layout.split(tf.constant(b)))
    np.testing.assert_allclose(gram, [a[:, s].T @ b[:, s] for s in slices], rtol=1e-12)
    for found, expected in (
        (layout.apply, [a[:, s] @ m.T for s, m in zip(slices, matrices, strict=True)]),
        (layout.apply_transposed, [a[:, s] @ m for s, m in zip(slices, matrices, strict=True)]),
    ):
        rows = layout.merge(found(layout.split(tf.constant(a)), tf.constant(matrices)))
        np.testing.assert_allclose(rows, np.concatenate(expected, axis=1), rtol=1e-12)


# Channels, group size: the last has two groups in one dense product by the layers' own choice.
CUTS = [(12, 4), (11, 4), (6, 1), (64, 32)]


@pytest.mark.usefixtures("any_layout")
@pytest.mark.parametrize("channels, group_size", CUTS)
@pytest.mark.parametrize("method", WHITENERS)
def test_grouped_equals_separate_calls(method, channels, group_size):
    x = samples.rows(channels + 5, np.linspace(2.0, 0.2, channels), mean=0.5)
    rng = np.random.default_rng(1)
    gamma, beta = rng.normal(size=(2, channels))
    dy = rng.normal(size=x.shape)
    # Epsilon unlike any eigenvalue, so that groups that are cut wrongly do not whiten by luck.
    options = {"method": method, "epsilon": 0.05}

    def op(**options):
        return lambda x, gamma, beta: batch_whitening(x, gamma, beta, **options)[0]

    y, of_inputs = gradients.by_tape(op(group_size=group_size, **options), [x, gamma, beta], dy)
    for s in reference.group_slices(channels, group_size):
        inputs = [x[:, s], gamma[s], beta[s]]
        y_alone, of_inputs_alone = gradients.by_tape(op(**options), inputs, dy[:, s])
        np.testing.assert_allclose(y[:, s], y_alone, atol=1e-11)
        for gradient, alone in zip(of_inputs, of_inputs_alone, strict=True):
            np.testing.assert_allclose(gradient[..., s], alone, atol=1e-10)


@pytest.mark.usefixtures("any_layout")
@pytest.mark.parametrize("channels, group_size", CUTS)
def test_whitening_by_given_statistics(channels, group_size):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(7, channels))
    mean, gamma, beta = rng.normal(size=(3, channels))
    whitening = [
        rng.normal(size=(block.groups, block.size, block.size))
        for block in groups.blocks(channels, group_size)
    ]
    of_groups = [w for block in whitening for w in block]
    dy = rng.normal(size=x.shape)

    def op(x, mean, gamma, beta, *matrices):
        return apply_whitening(x, mean, matrices, gamma, beta, group_size=group_size)

    y, (dx, *_) = gradients.by_tape(op, [x, mean, gamma, beta, *whitening], dy)
    np.testing.assert_allclose(y, reference.apply(x, mean, of_groups, gamma, beta), atol=1e-11)
    # dx = W^T (gamma dy): nothing flows through statistics that are given.
    scaled = [w.T for w in of_groups]
    np.testing.assert_allclose(dx, reference.apply(gamma * dy, 0.0, scaled), atol=1e-11)
    plain = apply_whitening(tf.constant(x), mean, whitening, None, None, group_size=group_size)
    np.testing.assert_allclose(plain, reference.apply(x, mean, of_groups), atol=1e-11)


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
@pytest.mark.parametrize("axis", [-1, 1])
def test_rows_and_back(rank, axis):
    shape = (2, 3, 4, 5, 6)[:rank]
    x = np.random.default_rng(0).normal(size=shape)
    channels_last = np.moveaxis(x, axis, -1)
    rows = groups.to_rows(tf.constant(x), axis)
    np.testing.assert_array_equal(rows, channels_last.reshape(-1, shape[axis]))
    np.testing.assert_array_equal(groups.from_rows(rows, tf.constant(x), axis), x)
