"""The outputs of a model's layers, for many samples."""

import collections.abc
import os
import shutil
import tempfile
import typing
import weakref

import keras
import numpy as np
import tensorflow as tf

from tfnorm import keras_internals
from tfnorm.analysis import checks


class NotFiniteError(ValueError):
    """An output of a layer is not finite.

    ```python
    from tfnorm.analysis.layer_outputs import NotFiniteError, layer_outputs

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="first")])
    try:
        layer_outputs(model, ["first"], np.full((1, 2), np.nan))
    except NotFiniteError as error:
        assert "first" in str(error)
    ```
    """


def check_model(name: str, model: typing.Any) -> None:
    """Checks that the layers of a model are within reach; `name` is the argument's."""
    if not isinstance(model, keras.Sequential | keras.Function):
        raise ValueError(
            f"`{name}` must be a functional or Sequential model: in another, what its layers put "
            f"out is known to its `call` alone. Received: {name}={model!r}"
        )


def layer_outputs(
    model: keras.Model,
    layers: collections.abc.Sequence[str],
    samples: typing.Any,
    *,
    batch_size: int = 256,
    memory: int = 2**32,
) -> dict[str, np.ndarray]:
    """Computes the outputs of some layers for samples, in inference, by one pass of the model.

    Where the outputs take more than `memory`, they are on the disk instead, in the directory for
    temporary files (`TMPDIR`), and read as they are indexed; they go when the arrays do.

    ```python
    from tfnorm.analysis.layer_outputs import layer_outputs

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="first")])
    outputs = layer_outputs(model, ["first"], np.random.normal(size=(10, 2)))
    assert outputs["first"].shape == (10, 3)
    ```

    Args:
        model: a functional or Sequential model. Layers of models within it are not found.
        layers: names of layers with one output each; one that is called twice counts with its
            first.
        samples: what the model takes, an array (n, ...) or arrays in its inputs' structure.
        batch_size: samples that the model is given at once.
        memory: bytes that the outputs may take in memory.

    Returns:
        dict from a layer's name to an array (n, ...), of the layer's dtype, float32 or float64; of
        half-precision layers float32.

    Raises:
        ValueError: there is no such layer, or the batch size is none.
        NotFiniteError: an output is not finite.
        OSError: the outputs do not fit on the disk either.
    """
    checks.positive_integer("batch_size", batch_size)
    extract = _function(model, tuple(layers))
    arrays, dtypes = keras.tree.flatten(samples), [tensor.dtype for tensor in model.inputs]
    count = len(arrays[0])
    if not count:
        raise ValueError("`samples` must not be empty. Received: no samples")
    outputs: dict[str, np.ndarray] = {}
    for start in range(0, count, batch_size):
        batch = (x[start : start + batch_size] for x in arrays)
        values = [_floating(output) for output in extract(*map(tf.cast, batch, dtypes))]
        if not outputs:
            shapes = [(count, *value.shape[1:]) for value in values]
            outputs = dict(zip(layers, _allocate(shapes, values, memory), strict=True))
        for (name, rows), value in zip(outputs.items(), values, strict=True):
            if not np.isfinite(value).all():
                raise NotFiniteError(f"A layer's output must be finite. Received: layer={name!r}")
            rows[start : start + batch_size] = value
    return outputs


# Of each model, by names of layers: their tensors, which are others when the model was changed; and
# a graph to them, where an activation is freed after its last use, and which is made once, as
# tracing takes as long as some hundred samples.
_functions: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _function(
    model: keras.Model, layers: tuple[str, ...]
) -> collections.abc.Callable[..., list[tf.Tensor]]:
    """The function from the model's inputs, one by one, to a list of the layers' outputs."""
    known, tensors = _functions.setdefault(model, {}), layer_tensors(model, layers)
    traced, function = known.get(layers, ([], None))
    if list(map(id, traced)) != list(map(id, tensors)):
        extract = keras.Model(model.inputs, tensors)

        def call(*inputs):
            return keras.tree.flatten(extract(list(inputs), training=False))

        signature = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
        function = tf.function(call, input_signature=signature, autograph=False)
        known[layers] = tensors, function
    return function


def layer_tensors(
    model: keras.Model, layers: collections.abc.Sequence[str]
) -> list[keras.KerasTensor]:
    """The symbolic outputs of layers, by name; raises `ValueError` as `layer_outputs` does."""
    check_model("model", model)
    if not layers or len(set(layers)) < len(layers):
        raise ValueError(f"`layers` must be names, each once. Received: layers={list(layers)}")
    return [_output(model, name) for name in layers]


def _output(model: keras.Model, name: str) -> keras.KerasTensor:
    there = [layer.name for layer in model.layers]
    if name not in there:
        raise ValueError(
            f"`layers` must be layers of the model. Received: {name!r}; there are "
            f"{', '.join(there)}"
        )
    layer, graph = model.get_layer(name), keras_internals.graph_of(model)
    if graph is None:
        raise ValueError(f"`model` must be built. Received: model={model!r}")
    # Not `layer.output`, which is of its first call in any model.
    calls = keras_internals.recorded_calls(graph)
    outputs = next((call.outputs for call in calls if call.operation is layer), None)
    output = layer.output if outputs is None else outputs  # of an `InputLayer`, which no call makes
    (output, *others) = keras.tree.flatten(output)
    if others or not isinstance(output, keras.KerasTensor):
        raise ValueError(
            f"`layers` must have one output each. Received: {name!r}: {[output, *others]}"
        )
    return output


def _floating(output: tf.Tensor) -> np.ndarray:
    return (output if output.dtype == tf.float64 else tf.cast(output, tf.float32)).numpy()


def _allocate(shapes, values: list[np.ndarray], memory: int) -> list[np.ndarray]:
    """Arrays of these shapes and the values' dtypes, in memory or on the disk."""
    dtypes = [value.dtype for value in values]
    sizes = [int(np.prod(s)) * d.itemsize for s, d in zip(shapes, dtypes, strict=True)]
    if sum(sizes) <= memory:
        return [np.empty(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if sum(sizes) > free:
        # Writing to a map of a file on a full disk would end the process.
        raise OSError(
            f"The layers' outputs take {sum(sizes):,} bytes, more than the {memory:,} of `memory` "
            f"and the {free:,} that are free in {folder}. Take fewer samples or layers, or another "
            "directory as TMPDIR."
        )
    return list(map(_on_disk, shapes, dtypes, sizes))


def _on_disk(shape, dtype: np.dtype, size: int) -> np.memmap:
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, dtype, "w+", shape=shape)
