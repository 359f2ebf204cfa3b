"""Calls of layers: their arguments by name, and calls of what stands in a layer's place."""

import inspect
import typing

import keras

from tfnorm import keras_internals
from tfnorm.keras_internals import RecordedCall


class Arguments(typing.NamedTuple):
    """What a call of a layer was given.

    Attributes:
        inputs: the first argument.
        named: the others by name.
        unnamed: those that go on to a wrapped layer by their position (`*args`).
    """

    inputs: typing.Any
    named: dict[str, typing.Any]
    unnamed: tuple[typing.Any, ...]

    @property
    def mask(self) -> typing.Any:
        """The mask that the caller gave, or None: Keras records what the inputs carry as well.

        In a model that is loaded or copied that is another tensor, which is computed in the same
        way.
        """
        mask = self.named.get("mask")
        carried = keras.tree.map_structure(keras_internals.mask_of, self.inputs)
        return None if are_computed_alike(mask, carried) else mask


def are_computed_alike(value: typing.Any, other: typing.Any) -> bool:
    """Tells whether two structures of symbolic tensors, numbers and None are sure to be equal.

    Tensors are if they are the same, or come out of the same operations of Keras (no layers) on the
    same.
    """
    return _are_alike(value, other, {})


def _are_alike(value, other, known):
    values, others = keras.tree.flatten(value), keras.tree.flatten(other)
    return len(values) == len(others) and all(
        a is b or _is_alike(a, b, known) for a, b in zip(values, others, strict=True)
    )


def _is_alike(a, b, known):
    if type(a) is not type(b) or not isinstance(a, keras.KerasTensor | int | float | str):
        return False
    if not isinstance(a, keras.KerasTensor):
        return a == b
    pair = id(a), id(b)
    if pair not in known:
        call, other = map(keras_internals.call_that_made, (a, b))
        known[pair] = _are_made_alike(call, other, known)
    return known[pair]


def _are_made_alike(call, other, known):
    kind = type(call.operation)
    if kind is not type(other.operation) or issubclass(kind, keras.Layer):
        return False
    if not kind.__module__.startswith("keras.") or len(call.outputs) > 1:
        return False
    configurations = [one.operation.get_config() | {"name": None} for one in (call, other)]
    return configurations[0] == configurations[1] and _are_alike(
        [call.args, call.kwargs], [other.args, other.kwargs], known
    )


def arguments(
    layer: keras.Operation, args: tuple[typing.Any, ...], kwargs: dict[str, typing.Any]
) -> Arguments:
    """Sorts the arguments that a layer is called with."""
    signature = inspect.signature(layer.call)
    named, unnamed = {}, ()
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            unnamed = value
        elif kind is inspect.Parameter.VAR_KEYWORD:
            named |= value
        else:
            named[name] = value
    first, *_ = named or [None]
    return Arguments(named.pop(first, None), named, unnamed)


def recorded_arguments(call: RecordedCall) -> Arguments:
    """Sorts the arguments of a layer's call in a functional model."""
    return arguments(call.operation, call.args, call.kwargs)


def of_model(
    args: tuple[typing.Any, ...], kwargs: dict[str, typing.Any]
) -> tuple[typing.Any, tuple[typing.Any, ...], dict[str, typing.Any]]:
    """Takes the inputs, by position or by name, out of what a functional model is called with."""
    if args:
        return args[0], args[1:], kwargs
    return kwargs["inputs"], (), {k: v for k, v in kwargs.items() if k != "inputs"}


def takes(layer: keras.Layer, name: str) -> bool:
    """Tells whether a layer's `call` has an argument of a name, or takes any."""
    parameters = inspect.signature(layer.call).parameters
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    return takes_any or name in parameters


def call_in_place(new: keras.Layer, given: Arguments) -> typing.Any:
    """Calls what stands in a layer's place, with those of the layer's arguments that it takes.

    Args:
        new: what stands there; its first argument is the inputs.
        given: what the layer is called with.
    """
    named = {name: value for name, value in given.named.items() if takes(new, name)}
    return new(given.inputs, *given.unnamed, **named)
