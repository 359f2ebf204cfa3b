"""Rows whose mean is large for their deviation: nothing is lost that float32 has.

The errors were measured to be, at means of 0 to 10,000 deviations, at most those of rows that are
centred first, by TensorFlow's sums; from 10 deviations on a third.
"""

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients
from tfnorm.functional import batch_whitening, layouts
from tfnorm.functional.groups import Block
from tfnorm.functional.statistics import column_sums

N, CHANNELS = 4096, 32


def whitened(x, dy, dtype, method):
    return gradients.by_tape(
        lambda x: batch_whitening(x, None, None, method=method, group_size=16)[0], [x], dy, dtype
    )


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("method", ["cd", "itn"])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.9, 2.0, 10.0, 1e3, 1e4])
def test_float32_against_float64(method, ratio, raw, monkeypatch):
    monkeypatch.setattr(layouts, "_MANY", 1 if raw else 10**9)
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(N, CHANNELS)) @ np.linalg.qr(rng.normal(size=(CHANNELS,) * 2))[0]
    mean = ratio * rng.choice([-1.0, 1.0], CHANNELS)
    x = (spread + mean).astype(np.float32)
    dy = rng.normal(size=x.shape).astype(np.float32)
    single, double = (whitened(x, dy, dtype, method) for dtype in ("float32", "float64"))
    limit = 1e-6 + 3e-7 * ratio  # what float32 resolves of a mean is eps / 2 of it
    assert gradients.relative_error(single[0], double[0]) < limit
    assert gradients.relative_error(single[1][0], double[1][0]) < limit


@pytest.mark.parametrize("constant", [0.0, 3.0])
def test_a_constant_channel_is_zero(constant, monkeypatch):
    monkeypatch.setattr(layouts, "_MANY", 1)
    x = np.random.default_rng(0).normal(size=(N, CHANNELS)).astype(np.float32)
    x[:, 5] = constant
    y = batch_whitening(tf.constant(x), None, None, method="zca", group_size=16)[0].numpy()
    np.testing.assert_allclose(y[:, 5], 0.0, atol=2e-4)


@pytest.mark.parametrize("n", [1000, 4096, 2**20])
def test_long_sums_keep_their_digits(n):
    rows = np.random.default_rng(0).uniform(1.0, 2.0, size=(n, 3)).astype(np.float32)
    truth = rows.astype(np.float64).sum(0)
    np.testing.assert_allclose(column_sums(tf.constant(rows)), truth, rtol=1e-6)


@pytest.mark.skipif(
    not layouts.has_grouped_convolution(), reason="this TensorFlow has no grouped convolution"
)
def test_long_products_keep_their_digits(n=65536, channels=32):
    rows = np.random.default_rng(0).uniform(0.5, 1.5, size=(n, channels)).astype(np.float32)
    block = Block(0, channels // 16, 16)
    layout = layouts.ConvolutionLayout(block, n)
    gram = layout.gram(*[layout.split(tf.constant(rows))] * 2)
    exact = rows.astype(np.float64)
    truth = [exact[:, k : k + 16].T @ exact[:, k : k + 16] for k in range(0, channels, 16)]
    np.testing.assert_allclose(gram, truth, rtol=1e-5)
