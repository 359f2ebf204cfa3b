"""Layouts: which one is chosen, and that each treats each group of channels alone."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import gradients, reference, samples
from tfnorm.functional import WHITENERS, apply_whitening, batch_whitening, groups, layouts

LAYOUTS = (layouts.DenseLayout, layouts.BatchedLayout)
needs_grouped_convolution = pytest.mark.skipif(
    not layouts.has_grouped_convolution(), reason="this TensorFlow has no grouped convolution"
)


@pytest.fixture(params=LAYOUTS)
def any_layout(request, monkeypatch):
    """Each layout for every block, whichever is the faster."""
    for name in ("fastest_layout", "fastest_application"):
        monkeypatch.setattr(layouts, name, lambda block, *_: request.param(block))


@pytest.mark.parametrize(
    "layout, dtype, rtol, size",
    [
        *((layout, "float64", 1e-12, 2) for layout in LAYOUTS),
        *(
            pytest.param(
                layouts.ConvolutionLayout, "float32", 1e-5, size, marks=needs_grouped_convolution
            )
            for size in (1, 2, 8, 16, 32)
        ),
    ],
)
@pytest.mark.parametrize("n", [7, 24, 128])
def test_layout_against_numpy(layout, dtype, rtol, size, n, channels=64):
    count = channels // size
    layout = layout(groups.Block(0, count, size))
    rng = np.random.default_rng(0)
    a, b = rng.uniform(1.0, 2.0, size=(2, n, channels)).astype(dtype)
    matrices = rng.uniform(1.0, 2.0, size=(count, size, size)).astype(dtype)
    bias, weights = rng.normal(size=channels).astype(dtype), rng.normal(size=n).astype(dtype)
    slices = reference.group_slices(channels, size)
    held = layout.split(tf.constant(a))
    np.testing.assert_array_equal(layout.merge([held]), a)
    gram = layout.gram(held, layout.split(tf.constant(b)))
    np.testing.assert_allclose(gram, [a[:, s].T @ b[:, s] for s in slices], rtol=rtol)
    np.testing.assert_allclose(layout.merge([held], bias), a + bias, rtol=rtol)
    np.testing.assert_allclose(layout.merge([held, 2 * held], bias), 3 * a + bias, rtol=rtol)
    weighed = layout.merge([layout.weigh(held, tf.constant(weights))])
    np.testing.assert_allclose(weighed, a * weights[:, None], rtol=rtol)
    for multiply, expected in (
        (layout.apply, [a[:, s] @ m.T for s, m in zip(slices, matrices, strict=True)]),
        (layout.apply_transposed, [a[:, s] @ m for s, m in zip(slices, matrices, strict=True)]),
    ):
        rows = layout.merge([multiply(held, tf.constant(matrices))])
        np.testing.assert_allclose(rows, np.concatenate(expected, axis=1), rtol=rtol)


def test_layout_by_size(monkeypatch):
    many, few = tf.zeros([4096, 256]), tf.zeros([3, 256])
    fitting = [groups.Block(0, 256 // size, size) for size in (1, 8, 16, 32, 64)]
    # One group; a size that is no part of 16 channels; channels that are no multiple of 16.
    others = [groups.Block(0, 1, 256), groups.Block(0, 4, 12), groups.Block(0, 5, 8)]

    def chosen(block, rows, **options):
        return type(layouts.fastest_layout(block, rows, **options))

    for has, fast in ((True, layouts.ConvolutionLayout), (False, layouts.BatchedLayout)):
        monkeypatch.setattr(layouts, "has_grouped_convolution", lambda has=has: has)
        for block in fitting:
            assert chosen(block, many) is fast
            assert chosen(block, many, expected_rows=1) is fast
            assert chosen(block, few) is layouts.BatchedLayout
            assert chosen(block, tf.cast(many, tf.float64)) is layouts.BatchedLayout
        assert [chosen(block, tf.zeros([10**6, 1])) for block in others] == [
            layouts.DenseLayout,
            layouts.BatchedLayout,
            layouts.BatchedLayout,
        ]
    assert chosen(groups.Block(0, 2, 32), few) is layouts.DenseLayout
    monkeypatch.setattr(layouts, "has_grouped_convolution", lambda: True)

    @tf.function(input_signature=[tf.TensorSpec([None, 256])])
    def rows_of_unknown_number(rows):
        assert chosen(fitting[2], rows) is layouts.BatchedLayout
        assert chosen(fitting[2], rows, expected_rows=4096) is layouts.ConvolutionLayout

    rows_of_unknown_number(few)


@needs_grouped_convolution
def test_no_convolution_under_xla():
    """XLA's loops for a grouped convolution on CPU take 40 times as long and more."""
    block, chosen = groups.Block(0, 16, 16), []

    def trace(rows):
        chosen.append(type(layouts.fastest_layout(block, rows)))
        return rows

    def within(rows):
        return tf.function(trace, jit_compile=True)(rows)

    rows = tf.zeros([4096, 256])
    tf.function(trace)(rows)
    tf.function(trace, jit_compile=True)(rows)
    tf.function(within)(rows)
    tf.function(lambda rows: tf.function(trace)(rows), jit_compile=True)(rows)
    trace(rows)
    convolution, batched = layouts.ConvolutionLayout, layouts.BatchedLayout
    assert chosen == [convolution, batched, batched, batched, convolution]
    tf.config.optimizer.set_jit("autoclustering")
    try:
        trace(rows)
    finally:
        tf.config.optimizer.set_jit(False)
    assert chosen[-1] is batched


@needs_grouped_convolution
@pytest.mark.parametrize("method", WHITENERS)
@pytest.mark.parametrize("n", [128, 75])
def test_convolution_equals_batched_products(method, n, monkeypatch):
    """In value, gradient and gradient of the gradient, with a last group of another size."""
    x = samples.rows(n, np.linspace(2.0, 0.2, 35), mean=0.5).astype(np.float32)
    rng = np.random.default_rng(1)
    gamma, dy, v = (rng.normal(size=s).astype(np.float32) for s in (35, x.shape, x.shape))

    def first(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = batch_whitening(x, gamma, None, method=method, group_size=4, epsilon=0.05)[0]
        return tape.gradient(y, x, output_gradients=dy)

    by_layout = []
    for many in (1, 10**9):
        monkeypatch.setattr(layouts, "_MANY", many)
        y = batch_whitening(tf.constant(x), gamma, None, method=method, group_size=4, epsilon=0.05)
        by_layout.append([y[0], *gradients.by_tape(first, [x], v, "float32")])
    for value, truth in zip(*map(tf.nest.flatten, by_layout), strict=True):
        assert gradients.relative_error(value, truth) < 1e-4


@needs_grouped_convolution
def test_gradients_of_convolutions_are_vectorized(rows=96, channels=64):
    """As `jacobian` does by itself: each gradient is that of the sum taken alone."""
    rng = np.random.default_rng(2)
    x = tf.constant(rng.normal(size=(rows, channels)), tf.float32)
    gamma, matrices = tf.ones([channels]), tf.constant(rng.normal(size=(4, 16, 16)), tf.float32)
    block = groups.Block(0, 4, 16)

    def whiten(x, gamma, matrices):
        return batch_whitening(x, gamma, None, method="cd", group_size=16)[0]

    def multiply(x, gamma, matrices):
        return layouts.multiply(layouts.ConvolutionLayout(block), x, matrices, gamma)

    for function in (whiten, multiply):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(layouts, "_MANY", 1)
            with tf.GradientTape(persistent=True) as tape:
                tape.watch([x, gamma, matrices])
                y = function(x, gamma, matrices) ** 3
                sums = tf.reduce_sum(tf.reshape(y, [6, -1]), 1)
        for of in (x, gamma) if function is whiten else (x, gamma, matrices):
            alone = tape.jacobian(sums, of, experimental_use_pfor=False)
            assert gradients.relative_error(tape.jacobian(sums, of), alone) < 1e-5


def test_without_one_dnn_there_is_no_grouped_convolution():
    """But the layers work all the same: the probe finds out before the gradient would raise."""
    program = (
        "import tensorflow as tf; from tfnorm.functional import batch_whitening, layouts\n"
        "assert not layouts.has_grouped_convolution()\n"
        "layouts._MANY = 1\n"
        "x = tf.random.normal([64, 32])\n"
        "with tf.GradientTape() as tape:\n"
        "    tape.watch(x); y = batch_whitening(x, None, None, group_size=2)[0]\n"
        "assert tape.gradient(y, x).shape == x.shape\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0"}, check=True
    )


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

    y, input_gradients = gradients.by_tape(
        op(group_size=group_size, **options), [x, gamma, beta], dy
    )
    for s in reference.group_slices(channels, group_size):
        inputs = [x[:, s], gamma[s], beta[s]]
        y_alone, gradients_alone = gradients.by_tape(op(**options), inputs, dy[:, s])
        np.testing.assert_allclose(y[:, s], y_alone, atol=1e-11)
        for gradient, alone in zip(input_gradients, gradients_alone, strict=True):
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
    by_group = [w for block in whitening for w in block]
    dy = rng.normal(size=x.shape)

    def op(x, mean, gamma, beta, *matrices):
        return apply_whitening(x, mean, matrices, gamma, beta, group_size=group_size)

    y, (dx, *_) = gradients.by_tape(op, [x, mean, gamma, beta, *whitening], dy)
    np.testing.assert_allclose(y, reference.apply(x, mean, by_group, gamma, beta), atol=1e-11)
    # dx = W^T (gamma dy): nothing flows through statistics that are given.
    scaled = [w.T for w in by_group]
    np.testing.assert_allclose(dx, reference.apply(gamma * dy, 0.0, scaled), atol=1e-11)
    plain = apply_whitening(tf.constant(x), mean, whitening, None, None, group_size=group_size)
    np.testing.assert_allclose(plain, reference.apply(x, mean, by_group), atol=1e-11)


@needs_grouped_convolution
@pytest.mark.parametrize(
    "channels, size, dtype, layout",
    [
        (256, 256, "float32", layouts.DenseLayout),
        (512, 512, "float32", layouts.BatchedLayout),
        (64, 16, "float32", layouts.DenseLayout),
        (256, 16, "float32", layouts.ConvolutionLayout),
        (512, 64, "float32", layouts.ConvolutionLayout),
        (256, 16, "float64", layouts.BatchedLayout),
        (120, 12, "float32", layouts.BatchedLayout),
    ],
)
def test_few_rows_of_inference_are_not_transposed(channels, size, dtype, layout):
    block = groups.Block(0, channels // size, size)
    assert type(layouts.fastest_application(block, tf.zeros([16, channels], dtype))) is layout
