"""Chains in a functional model: layers that follow each other with nothing between."""

import collections
import collections.abc
import typing

import keras

from tfnorm import keras_internals
from tfnorm.calls import recorded_arguments
from tfnorm.folding.masks import unmasked_tensors
from tfnorm.keras_internals import RecordedCall

# Layers that hand on their input in inference.
PASSING = {
    getattr(keras.layers, name)
    for name in (
        "ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise Identity "
        "SpatialDropout1D SpatialDropout2D SpatialDropout3D"
    ).split()
}


class Link(typing.NamedTuple):
    """A layer of a chain.

    Attributes:
        layer: the layer.
        x: the symbolic tensor that its first call takes.
        masked: whether the input of any of its calls may carry a mask when the model runs.
        mask_given: whether the caller of any of its calls gives a mask.
    """

    layer: keras.Layer
    x: keras.KerasTensor
    masked: bool
    mask_given: bool


def chains(
    model: keras.Model,
    classes: collections.abc.Container[type],
    unmasked_inputs: bool = False,
) -> list[list[Link]]:
    """Finds the chains: each layer takes the output of the one before it, and nothing else does.

    With all but `relu` among the classes, the chains of `conv -> norm -> dropout -> scale -> relu
    -> dense` are `[[conv, norm, scale], [dense]]`. Where something else takes the output of `conv`
    too, they are `[[conv], [norm, scale], [dense]]`.

    A layer with several calls is a chain by itself. Layers that hand on their input are in no chain
    and break none; those that work as in training are in none, and break it.

    Args:
        model: a functional model.
        classes: the classes of layers that can be in a chain, besides models.
        unmasked_inputs: whether the model's inputs carry no mask.

    Returns:
        The chains, each from its first layer to its last.
    """
    takers = collections.Counter(id(tensor) for tensor in model.outputs)
    calls_by_layer = collections.defaultdict(list)
    unmasked = unmasked_tensors(model, unmasked_inputs)
    for call in keras_internals.recorded_calls(model):
        takers.update(id(tensor) for tensor in call.inputs)
        calls_by_layer[call.operation].append(call)
    chains = []
    chain_to = {}  # id of a tensor: the chain that it comes out of
    for layer, calls in calls_by_layer.items():
        x, called_once = _input(calls[0]), len(calls) == 1
        passes = _passes(calls[0])
        known = passes or type(layer) in classes or is_functional(layer)
        if not known or any(map(_is_training, calls)):
            continue
        goes_on = called_once and takers[id(x)] == 1
        chain = chain_to.get(id(x), []) if goes_on else []
        if not passes:
            if not chain:
                chains.append(chain)
            masked = any(_may_be_masked(call, unmasked) for call in calls)
            chain.append(Link(layer, x, masked, any(map(_has_given_mask, calls))))
        if called_once:
            chain_to[id(calls[0].outputs[0])] = chain
    return chains


def _input(call: RecordedCall) -> typing.Any:
    return call.args[0] if call.args else call.kwargs.get("inputs")


def _is_training(call: RecordedCall) -> bool:
    # May be a tensor.
    training = recorded_arguments(call).named.get("training")
    return not (training is None or training is False)


def _may_be_masked(call: RecordedCall, unmasked: set[int]) -> bool:
    inputs = keras.tree.flatten(recorded_arguments(call).inputs)
    return _has_given_mask(call) or any(id(tensor) not in unmasked for tensor in inputs)


def _has_given_mask(call: RecordedCall) -> bool:
    return recorded_arguments(call).mask is not None


def _passes(call: RecordedCall) -> bool:
    layer = call.operation
    is_linear = getattr(layer, "activation", None) is keras.activations.linear
    passes = type(layer) in PASSING or (type(layer) is keras.layers.Activation and is_linear)
    # One of another dtype casts.
    return passes and call.outputs[0].dtype == _input(call).dtype


def is_functional(layer: typing.Any) -> typing.TypeGuard[keras.Model]:
    """Tells whether a layer is a functional or Sequential model, built, that computes its graph.

    It may be a subclass, of a `train_step` of its own for example, but not with a `call`.
    """
    return keras_internals.graph_of(layer) is not None and keras_internals.has_call_of_keras(layer)
