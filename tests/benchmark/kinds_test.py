"""What is computed in the calls that are timed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tfnorm.benchmark import kinds
from tfnorm.benchmark.fused import FusedBatchNormalization


def normal(*shape):
    return tf.constant(np.random.default_rng(len(shape)).normal(2.0, 3.0, shape), tf.float32)


@pytest.mark.parametrize("shape", [(9, 4), (3, 5, 4), (2, 3, 5, 4), (2, 3, 2, 2, 4)])
def test_the_unit_is_batch_normalization(shape):
    x, dy = normal(*shape), normal(*shape) - 2.0
    fused, of_keras = built(FusedBatchNormalization(), x), built(bn(), x)
    np.testing.assert_allclose(fused(x), of_keras(x), rtol=1e-5, atol=1e-5)
    values, expected = (kinds.forward_backward(layer, [x], dy)() for layer in (fused, of_keras))
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), values, expected
    )


@pytest.mark.parametrize("kind", ["forward_backward", "jit"])
def test_the_output_is_computed_beside_the_gradients(kind):
    """Also of a layer whose gradient does not read its output."""
    layer = tfnorm.CenterScale()
    x, dy = normal(6, 3), normal(6, 3)
    built(layer, x).gamma.assign([1.0, 2.0, 3.0])
    call = kinds.KINDS[kind].make(layer, [x], dy)
    y, (dx, *_) = call()
    np.testing.assert_allclose(y, x * [1.0, 2.0, 3.0])
    np.testing.assert_allclose(dx, dy * [1.0, 2.0, 3.0])
    assert len(call.func.outputs) == 4
    assert kinds.forward(layer, [x], dy).func.outputs[0].shape == x.shape


def test_a_training_call_is_one():
    layer = bn()
    built(layer, x := normal(6, 3))
    for make in (kinds.forward, kinds.forward_backward):
        before = layer.moving_mean.numpy()
        make(layer, [x], x)()
        assert np.abs(layer.moving_mean - before).min() > 0.0


def test_inference_is_that_of_an_export_after_a_training_call():
    layer = tfnorm.BatchWhitening("zca", group_size=None, momentum=0.5)
    built(layer, x := normal(50, 3))
    call = kinds.inference(layer, [x], x)
    assert np.abs(layer.moving_covariance - np.eye(3)).max() > 0.1
    np.testing.assert_allclose(call(), layer(x), rtol=1e-5, atol=1e-5)


def test_a_matrix_is_decomposed_by_covariance_alone():
    layer = built(tfnorm.BatchWhitening("zca", group_size=None), x := normal(50, 3))
    for make, decomposes in ((kinds.inference, True), (kinds.inference_matrix, False)):
        _, function, _ = make(layer, [x], x).args
        assert ("SelfAdjointEig" in str(function.graph.as_graph_def())) == decomposes


def test_what_a_layer_has_not_is_no_call():
    x = normal(6, 3)
    assert kinds.inference_matrix(built(bn(), x), [x], x) is None
    assert kinds.jit(built(tfnorm.BatchWhitening("zca"), x), [x], x) is None
    assert kinds.jit(built(tfnorm.BatchWhitening("itn"), x), [x], x)()[0].shape == x.shape


def bn():
    return keras.layers.BatchNormalization()


def built(layer, x):
    layer(x)
    return layer
