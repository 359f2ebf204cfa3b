"""Whitening by matrices that are there, in the place of matrices computed in each call."""

import keras

from tfnorm import copying, keras_internals
from tfnorm.functional import groups
from tfnorm.layers import BatchWhitening
from tfnorm.layers.arguments import get_initializer
from tfnorm.layers.blocks import block_names


def copy_with_matrices(model: keras.Model) -> keras.Model:
    """Copies a model, with the whitening matrix in the place of each moving covariance.

    Args:
        model: any that is built; one that is neither functional nor Sequential, or has a `call` of
            its own, from its `get_config`. It is not changed.
    """
    copy = _Copier().copy(model)
    keep_matrices(copy)
    return copy


class _Copier(copying.ModelCopier):
    """Copies a model with a `call` of its own as a layer: its graph is not what it computes."""

    def takes_apart(self, operation):
        return copying.has_graph(operation) and keras_internals.has_call_of_keras(operation)


def keep_matrices(model: keras.Layer) -> None:
    """Makes every whitening layer within a model or layer one with `estimate="matrix"`.

    Those that whiten by a moving covariance get the matrices that they compute from it, and compute
    the same. Subclasses of `BatchWhitening` stay as they are.
    """
    for layer in keras_internals.with_inner_layers(model):
        if type(layer) is BatchWhitening and layer.built and layer.estimate == "covariance":
            _keep_matrices(layer)


def _keep_matrices(layer: BatchWhitening) -> None:
    values = layer.inference_matrices()
    for name in block_names("moving_covariance")[: len(values)]:
        delattr(layer, name)
    layer.estimate = "matrix"

    def add(name: str, block: groups.Block) -> keras.Variable:
        shape = layer.by_domain(block.matrices_shape)
        return layer.add_statistic(name, shape, get_initializer("zeros"))

    with keras_internals.weights_may_change(layer):
        layer.add_block_weights("moving_matrix", layer.blocks(layer.group_size), add)
    for weight, value in zip(layer.block_weights("moving_matrix"), values, strict=True):
        weight.assign(value)
