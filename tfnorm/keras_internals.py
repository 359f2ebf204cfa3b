"""Keras' private names, each behind a function of its own.

No other module of the package touches one. What each function relies on is tested against plain
Keras models in tests/keras_internals_test.py, so that a new Keras that changes a name fails the
test of that name.
"""

import collections.abc
import contextlib
import inspect
import typing

import keras
from keras.src.backend.common.stateless_scope import get_stateless_scope
from keras.src.backend.common.symbolic_scope import in_symbolic_scope
from keras.src.saving import serialization_lib


def builds_model() -> bool:
    """Whether Keras calls layers to build a model that it loads, with tensors of a float dtype."""
    return in_symbolic_scope()


def hand_on_loss(layer: keras.Layer, loss: typing.Any) -> None:
    """Adds to a layer's losses one that a layer within it added in a scope that has ended.

    What collects losses without state counts those that a layer knows for its own, the layer within
    too: there the loss is handed to the collection alone.
    """
    scope = get_stateless_scope()
    if scope is None:
        layer.add_loss(loss)
    elif scope.collect_losses:
        scope.add_loss(loss)


class RecordedCall(typing.NamedTuple):
    """A call that a functional model repeats each time it runs.

    Attributes:
        operation: the layer, or another operation, that is called.
        args, kwargs: its arguments. Keras records those that nobody gave too, as `mask=None`.
        inputs: the symbolic tensors among the arguments, as often as each is there.
        outputs: the symbolic tensors that it returns.
    """

    operation: keras.Operation
    args: tuple[typing.Any, ...]
    kwargs: dict[str, typing.Any]
    inputs: list[keras.KerasTensor]
    outputs: list[keras.KerasTensor]


def recorded_calls(model: keras.Function) -> list[RecordedCall]:
    """The calls of a functional model, those that make a tensor before those that take it."""
    nodes_by_depth: dict[int, list] = model._nodes_by_depth
    return [
        _recorded(node)
        for depth in sorted(nodes_by_depth, reverse=True)
        for node in nodes_by_depth[depth]
        if not node.is_input
    ]


def call_that_made(tensor: keras.KerasTensor) -> RecordedCall:
    """The call that returned a symbolic tensor; without arguments for a model's input."""
    operation, index, _ = tensor._keras_history  # pyright: ignore[reportAttributeAccessIssue]
    return _recorded(operation._inbound_nodes[index])


def _recorded(node):
    return RecordedCall(
        node.operation,
        tuple(node.arguments.args),
        dict(node.arguments.kwargs),
        list(node.input_tensors),
        list(node.outputs),
    )


def maker_of(tensor: keras.KerasTensor) -> keras.Operation:
    """The operation that returned a symbolic tensor: an `InputLayer` for a model's input."""
    return tensor._keras_history.operation  # pyright: ignore[reportAttributeAccessIssue]


def mask_of(tensor: typing.Any) -> typing.Any:
    """The mask that a tensor carries to the layers that it is given to, or None.

    Of a symbolic tensor it is symbolic, and may be None though there is one when the model runs.
    """
    return getattr(tensor, "_keras_mask", None)


def that_may_be_unused(tensor: typing.Any) -> typing.Any:
    """Lets models have an input that nothing takes, which Keras before 3.13 refuses."""
    keras.layers.Identity()(tensor)  # which is in no model
    return tensor


def graph_of(layer: keras.Operation) -> keras.Model | None:
    """The functional model that a layer runs: itself, or what a Sequential made when it was built.

    None for a layer that runs none.
    """
    graph = layer._functional if isinstance(layer, keras.Sequential) else layer
    return graph if isinstance(graph, keras.Model) and isinstance(graph, keras.Function) else None


def has_call_of_keras(layer: keras.Layer) -> bool:
    """Tells whether Keras wrote the `call` of a layer, and no subclass of somebody else's did."""
    return type(layer).call.__module__.split(".")[0] == "keras"


def has_build_of_its_own(layer: keras.Layer) -> bool:
    """Tells whether somebody else than Keras wrote the `build_from_config` of a layer."""
    return type(layer).build_from_config.__module__.split(".")[0] != "keras"


def stored_weight(layer: keras.Layer, name: str) -> keras.Variable | None:
    """The variable behind an attribute of a layer; None if there is none.

    Behind `kernel` and `embeddings` of Keras' layers, which add LoRA's update or unpack a quantised
    kernel, it is `_kernel` and `_embeddings`. An attribute that somebody else computes has none.
    """
    attribute = inspect.getattr_static(type(layer), name, None)
    if isinstance(attribute, property) and attribute.fget is not None:
        if attribute.fget.__module__.split(".")[0] == "keras":
            name = f"_{name}"
    value = getattr(layer, name, None)
    return value if isinstance(value, keras.Variable) else None


def scale_of_einsum_kernel(layer: keras.layers.EinsumDense) -> typing.Any:
    """The scales of a kernel quantised to int8, a tensor in the shape that the kernel divides by.

    `kernel_scale` has the shape that the output divides by.
    """
    return layer._adjust_scale_for_dequant(keras.ops.convert_to_tensor(layer.kernel_scale))


def hand_over_rematerialization(layer: keras.Layer, wrapper: keras.Layer) -> None:
    """Has a wrapper recompute its call in the backward pass in place of the layer within it.

    A layer that recomputes its own call does so when what the wrapper gave it for that call is
    gone. One that recomputes its activation only goes on doing so.
    """
    mode = layer._remat_mode
    if mode is None or mode.mode in (None, "activations"):
        return
    if mode.mode == "list_of_layers":
        if layer.name not in mode.layer_names:
            return
        mode = mode._replace(mode="full")
    layer._remat_mode, wrapper._remat_mode = None, mode


@contextlib.contextmanager
def weights_may_change(layer: keras.Layer) -> collections.abc.Iterator[None]:
    """A context in which a layer that is built may be given weights, which Keras refuses else.

    It may always lose one: `del layer.name` for the weight that is this attribute.
    """
    layer._tracker.unlock()
    try:
        yield
    finally:
        layer._tracker.lock()


def with_inner_layers(layer: keras.Layer) -> list[keras.Layer]:
    """The layer and all layers within it, in an order that its copies have too."""
    return layer._flatten_layers()


def lambda_arguments(layer: keras.layers.Lambda) -> dict[str, typing.Any]:
    """The arguments of a `Lambda` that its configuration cannot give back as they were."""
    return {
        "function": layer.function,
        "output_shape": layer._output_shape,
        "mask": layer.mask,
        "arguments": layer.arguments,
    }


def set_lambda_arguments(layer: keras.layers.Lambda, arguments: dict[str, typing.Any]) -> None:
    """Gives a `Lambda` the `lambda_arguments` of another of the same configuration."""
    for name, value in arguments.items():
        setattr(layer, "_output_shape" if name == "output_shape" else name, value)


def trusted_configurations() -> contextlib.AbstractContextManager[None]:
    """A context in which configurations may hold code: those of layers that are there already."""
    return serialization_lib.SafeModeScope(False)


def packs_int4_by_output() -> bool:
    """Whether Keras packs int4 kernels along their outputs, which it does from 3.14 on."""
    config = getattr(keras.quantizers, "Int4QuantizationConfig", None)
    return config is not None and "block_size" in inspect.signature(config).parameters
