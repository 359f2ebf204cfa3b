"""Masks that a model has when it runs: which of its tensors cannot carry one."""

import keras

from tfnorm import keras_internals
from tfnorm.calls import recorded_arguments
from tfnorm.folding.linear import LINEAR_KINDS
from tfnorm.keras_internals import RecordedCall
from tfnorm.layers import SpectralNormalization


def _classes(names: str) -> set[type]:
    return {getattr(keras.layers, name) for name in names.split()}


# Layers that return a new tensor, without the mask of their input.
ENDING_MASKS = (LINEAR_KINDS.keys() - {keras.layers.Dense}) | _classes(
    "AveragePooling1D AveragePooling2D AveragePooling3D Flatten GlobalAveragePooling2D "
    "GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D MaxPooling1D "
    "MaxPooling2D MaxPooling3D Reshape UpSampling2D"
)

# Layers that make one of several masks, and none of none.
JOINING_MASKS = _classes("Add Average Concatenate Maximum Minimum Multiply Subtract")


def unmasked_tensors(model: keras.Model, unmasked_inputs: bool = False) -> set[int]:
    """Finds tensors of a functional model that carry no mask, whatever the model is called with.

    What a symbolic tensor carries does not tell: a model within the model and many a wrapper make a
    mask only when they run, and a caller may give one, as in `model(x, mask=mask)`. So a tensor is
    here if it comes out of a layer that ends masks, or out of one that makes none, from tensors
    that are here.

    Args:
        model: a functional model.
        unmasked_inputs: whether its inputs carry no mask.

    Returns:
        The `id` of each such tensor.
    """
    unmasked = {id(tensor) for tensor in model.inputs} if unmasked_inputs else set()
    for call in keras_internals.recorded_calls(model):
        if _is_unmasked(call.operation, _comes_without(call, unmasked)):
            unmasked |= {id(tensor) for tensor in call.outputs}
    return unmasked


def _is_unmasked(operation, unmasked_inputs: bool) -> bool:
    """Tells whether the outputs of a layer, or of another operation, carry no mask."""
    if isinstance(operation, SpectralNormalization):
        operation = operation.layer
    if type(operation) in ENDING_MASKS:
        return True
    graph = keras_internals.graph_of(operation)
    if graph is not None and keras_internals.has_call_of_keras(operation):
        unmasked = unmasked_tensors(graph, unmasked_inputs)
        return all(id(tensor) in unmasked for tensor in graph.outputs)
    return unmasked_inputs and not _may_make_mask(operation)


def _may_make_mask(operation) -> bool:
    """Tells whether a layer, or another operation, may make a mask where none comes in."""
    if type(operation).__module__.split(".")[0] not in ("keras", "tfnorm"):
        return True
    if not isinstance(operation, keras.Layer) or type(operation) in JOINING_MASKS:
        return False
    computes = type(operation).compute_mask is not keras.Layer.compute_mask
    return computes or len(keras_internals.with_inner_layers(operation)) > 1


def _comes_without(call: RecordedCall, unmasked: set[int]) -> bool:
    """Tells whether no mask comes into a call, with its inputs or as an argument."""
    if not isinstance(call.operation, keras.Layer):
        return all(id(tensor) in unmasked for tensor in call.inputs)
    inputs, named, unnamed = recorded_arguments(call)
    given = any("mask" in name and value is not None for name, value in named.items())
    return not given and all(
        id(tensor) in unmasked for tensor in keras.tree.flatten([inputs, unnamed])
    )
