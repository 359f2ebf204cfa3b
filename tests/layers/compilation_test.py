"""What the layers' graphs are made of: devices of decompositions, and XLA where it is good."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import descriptors
from tfnorm import BatchWhitening
from tfnorm.functional import layouts

JITTED = [row for row in descriptors.ROWS if row.make().supports_jit]


def training_step(layer):
    def step(x, labels, dy):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, *labels, training=True)
        return y, tape.gradient(y, x, output_gradients=dy)

    return step


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("method", ["pca", "zca"])
def test_decompositions_are_placed_as_asked(method, device, training):
    layer = BatchWhitening(method, group_size=2, device=device)
    layer.build((None, 5))
    function = tf.function(lambda x: layer(x, training=training))
    graph = function.get_concrete_function(tf.TensorSpec([None, 5])).graph
    nodes = [node for node in graph.get_operations() if node.type == "SelfAdjointEigV2"]
    # One for the two groups of two channels, one for the last group.
    assert [node.device for node in nodes] == [f"/device:{device.upper()}:0"] * 2


def test_no_decomposition_where_the_matrix_is_followed():
    layer = BatchWhitening("zca", estimate="matrix")
    layer.build((None, 5))
    function = tf.function(lambda x: layer(x, training=False))
    graph = function.get_concrete_function(tf.TensorSpec([None, 5])).graph
    assert "SelfAdjointEigV2" not in {node.type for node in graph.get_operations()}


@pytest.mark.parametrize("axis", [-1, 1])
def test_an_unknown_batch_is_taken_for_one_of_the_usual_size(axis, monkeypatch):
    """The layout for many rows is that of 32 images of 4 by 4, as no batch size is known."""
    monkeypatch.setattr(layouts, "has_grouped_convolution", lambda: True)
    shape = [None, 4, 4, 32] if axis == -1 else [None, 32, 4, 4]
    for fewest, is_convolution in ((32 * 16 * 32, True), (32 * 16 * 32 + 1, False)):
        monkeypatch.setattr(layouts, "_MANY", fewest)
        layer = BatchWhitening(group_size=16, axis=axis)
        layer.build(shape)
        function = tf.function(lambda x, layer=layer: layer(x, training=True))
        graph = function.get_concrete_function(tf.TensorSpec(shape)).graph
        assert ("Conv2D" in {node.type for node in graph.get_operations()}) is is_convolution


def test_layers_that_decompose_keep_their_model_out_of_xla():
    without = {row.name for row in descriptors.ROWS} - {row.name for row in JITTED}
    assert without == {
        f"whitening_{method}_{estimate}"
        for method in ("pca", "zca", "cd")
        for estimate in ("covariance", "matrix")
    } | {"group_whitening_by_channel"}
    model = keras.Sequential([keras.Input((5,)), BatchWhitening("zca")])
    model.compile("sgd", "mse", jit_compile="auto")
    assert not model.jit_compile
    with pytest.warns(UserWarning, match="Model doesn't support `jit_compile=True`"):
        model.compile("sgd", "mse", jit_compile=True)
    assert not model.jit_compile


# What the moving average follows makes no other graph, and compiling takes seconds.
@pytest.mark.parametrize(
    "row",
    [row for row in JITTED if not row.name.endswith("_matrix")],
    ids=lambda row: row.name,
)
def test_jit(row):
    x, *labels = row.arguments(tf.constant(row.inputs()))
    plain, jitted = row.make(), row.make()
    y, _ = plain(x, *labels), jitted(x, *labels)
    jitted.set_weights(plain.get_weights())
    dy = np.random.default_rng(5).normal(size=y.shape).astype(np.float32)
    expected = training_step(plain)(x, labels, dy)
    compiled = tf.function(training_step(jitted), jit_compile=True)(x, labels, dy)
    for value, truth in zip(compiled, expected, strict=True):
        np.testing.assert_allclose(value, truth, rtol=1e-4, atol=1e-5)
    for value, truth in zip(jitted.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(value, truth, rtol=1e-5, atol=1e-6)
