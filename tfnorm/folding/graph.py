"""The calls of a functional model, and which of them follow each other with nothing between."""

import collections
import typing

import keras

# Layers that hand on their input in inference.
PASSING = {
    getattr(keras.layers, name)
    for name in (
        "ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise Identity "
        "SpatialDropout1D SpatialDropout2D SpatialDropout3D"
    ).split()
}


class Call(typing.NamedTuple):
    """A layer that is called on `x`; the first such call if there are several."""

    layer: keras.layers.Layer
    x: keras.KerasTensor
    masked: bool


def runs(model, classes):
    """Lists of calls in which each layer's input is all that becomes of the output before it.

    A layer with several calls is a run by itself. Layers that work as in training, or that hand on
    their input, are in no run.

    Args:
        model: a functional model.
        classes: the classes of layers that can be in a run, besides models.

    Returns:
        Lists of `Call`, without those of which nothing is known.
    """
    uses = collections.Counter(id(tensor) for tensor in model.outputs)
    calls = collections.defaultdict(list)
    for node in _nodes(model):
        uses.update(id(tensor) for tensor in node.input_tensors)
        calls[node.operation].append(node)
    found, run_to = [], {}
    for layer, nodes in calls.items():
        passes = all(map(_passes, nodes))
        known = passes or type(layer) in classes or is_functional(layer)
        if not known or any(map(_is_training, nodes)):
            continue
        x = _input(nodes[0])
        run = run_to.get(id(x), []) if len(nodes) == uses[id(x)] == 1 else []
        if not passes:
            if not run:
                found.append(run)
            masked = any(getattr(_input(node), "_keras_mask", None) is not None for node in nodes)
            run.append(Call(layer, x, masked))
        if len(nodes) == 1:
            run_to[id(nodes[0].outputs[0])] = run
    return found


def _nodes(model):
    """The calls in a functional model, producers first."""
    for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
        yield from (node for node in nodes if not node.is_input)


def _input(node):
    return node.arguments.args[0] if node.arguments.args else node.arguments.kwargs.get("inputs")


def _is_training(node):
    # May be a tensor.
    training = node.arguments.kwargs.get("training")
    return not (training is None or training is False)


def _passes(node):
    layer = node.operation
    is_linear = getattr(layer, "activation", None) is keras.activations.linear
    passes = type(layer) in PASSING or (type(layer) is keras.layers.Activation and is_linear)
    # One of another dtype casts.
    return passes and node.outputs[0].dtype == _input(node).dtype


def is_functional(layer):
    """Whether a layer is a functional or Sequential model, built, and its graph what it computes.

    It may be a subclass, of a `train_step` of its own for example, but not with a `call`.
    """
    graph = getattr(layer, "_functional", layer)
    return (
        isinstance(layer, keras.Model)
        and isinstance(graph, keras.Function)
        and type(layer).call.__module__.startswith("keras.")
    )
