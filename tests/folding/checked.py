"""Folding with what must hold each time: same outputs, and a model that is as it was."""

import functools
import json

import keras
import numpy as np
import tensorflow as tf

import tfnorm
from tfnorm import keras_internals

# Of which the moving statistics are not the initial ones after few calls.
BatchNormalization = functools.partial(keras.layers.BatchNormalization, momentum=0.5)
BatchWhitening = functools.partial(tfnorm.BatchWhitening, momentum=0.5)
Unitization = functools.partial(
    tfnorm.Unitization, momentum=0.5, alpha_initializer="random_uniform"
)


def model(inputs, *layers):
    """The layers in turn, as a functional model; `inputs` a shape or a tensor."""
    inputs = keras.Input(inputs) if isinstance(inputs, tuple) else inputs
    return keras.Model(inputs, functools.reduce(lambda x, layer: layer(x), layers, inputs))


def samples(model, batch=6, seed=0):
    """Normal numbers about 0.5 in the structure of the model's inputs."""
    rng = np.random.default_rng(seed)

    def sample(tensor):
        shape = [batch, *(size or 5 for size in tensor.shape[1:])]
        return rng.normal(0.5, 1.0, size=shape).astype(keras.backend.floatx())

    inputs = model.inputs if isinstance(model, keras.Sequential) else model.input
    sampled = keras.tree.map_structure(sample, inputs)
    return sampled[0] if isinstance(model, keras.Sequential) else sampled


def trained(model, x=None):
    """Moves all weights from where they start: at random, and the statistics by three calls."""
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(weight + rng.normal(scale=0.2, size=weight.shape).astype(weight.dtype))
    for seed in range(3):
        model(samples(model, seed=seed) if x is None else x, training=True)
    return model


def folded(model, x=None, tolerance=1e-5):
    """The folded model, of a trained one."""
    x = samples(model, seed=9) if x is None else x
    before = _state(model)
    result, difference = tfnorm.fold_normalization(model, x)
    assert _state(model) == before
    assert difference < tolerance
    own = {id(weight) for weight in model.weights}
    assert not any(id(weight) in own for weight in result.weights)
    outputs = model(x, training=False), result(x, training=False)
    keras.tree.assert_same_structure(*outputs)
    assert keras.tree.map_structure(lambda y: y.dtype, outputs[0]) == keras.tree.map_structure(
        lambda y: y.dtype, outputs[1]
    )
    return result


def kinds(model):
    """The classes of the layers by name, in order, without inputs."""
    return {
        layer.name: type(layer).__name__
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    }


def _state(model):
    weights = [np.asarray(tf.convert_to_tensor(weight)).tobytes() for weight in model.weights]
    calls = [
        (layer.name, len(layer._inbound_nodes), len(layer._outbound_nodes))
        for layer in keras_internals.with_inner_layers(model)
    ]
    return weights, calls, json.dumps(model.get_config(), default=str)
