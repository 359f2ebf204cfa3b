"""Counts what a gradient keeps of the forward pass."""

import typing
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tfnorm.benchmark.kinds import trainable_variables

SAME_MEMORY = ("Reshape", "Identity", "IdentityN", "StopGradient", "ExpandDims", "Squeeze")
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
NOT_COUNTED = ("Const", "ReadVariableOp")

# Functions by name, as TensorFlow describes them (`FunctionDef`).
Library = Mapping[str, typing.Any]


class Source(typing.NamedTuple):
    """What computes a tensor's memory: an operation, or one within a function that it calls."""

    call: str
    output: str
    type: str


def kept_bytes(layer: keras.Layer, inputs: Sequence[tf.Tensor]) -> int:
    """Counts the bytes that the gradient of a training call captures from the forward pass.

    Counted in the graph: the tensors that gradient operations take from forward ones, each once
    however it is reshaped or handed through a function, the input if it is among them, but neither
    weights nor the gradient that comes in. What the gradient of a function within takes of it are
    that function's outputs.
    """
    forward: set[str] = set()

    def step(dy: tf.Tensor, x: tf.Tensor, *labels: tf.Tensor):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, *labels, training=True)
        forward.update(op.name for op in x.graph.get_operations())
        return tape.gradient(y, [x, *trainable_variables(layer)], output_gradients=[dy])

    y = layer(*inputs)
    graph = (
        tf.function(step, autograph=False).get_concrete_function(tf.zeros_like(y), *inputs).graph
    )
    forward.remove(graph.inputs[0].op.name)
    library = {each.signature.name: each for each in graph.as_graph_def().library.function}
    sizes = {
        _source(tensor, library): _bytes(tensor)
        for op in graph.get_operations()
        if op.name not in forward
        for tensor in op.inputs
        if tensor.op.name in forward and tensor.dtype != tf.resource
    }
    return sum(size for source, size in sizes.items() if source.type not in NOT_COUNTED)


def _bytes(tensor: tf.Tensor) -> int:
    """A tensor's bytes. The fused kernel's last, of no known shape, is empty on a CPU."""
    if tensor.op.type == "FusedBatchNormV3" and tensor.value_index == 5:
        return 0
    return tensor.shape.num_elements() * tensor.dtype.size


def _source(tensor: tf.Tensor, library: Library) -> Source:
    """What computes the memory of a tensor of the graph."""
    while True:
        op, index = tensor.op, tensor.value_index
        if op.type in SAME_MEMORY:
            tensor = op.inputs[index]
        elif op.type in CALLS:
            source = _result(library[op.get_attr("f").name], index, library)
            if isinstance(source, Source):
                return source._replace(call=op.name)
            tensor = op.inputs[source]
        else:
            return Source(op.name, str(index), op.type)


def _result(function: typing.Any, index: int, library: Library) -> Source | int:
    """What computes the memory of a function's result, or which of its arguments that is.

    XLA too hands an argument on without a copy.
    """
    arguments = [argument.name for argument in function.signature.input_arg]
    nodes = {node.name: node for node in function.node_def}
    name = function.ret[function.signature.output_arg[index].name]
    while name not in arguments:
        node = nodes[name.split(":")[0]]
        # Operations of these types have one list of outputs: "name:output:index".
        position = int(name.split(":")[2])
        if node.op in CALLS:
            source = _result(library[node.attr["f"].func.name], position, library)
            if isinstance(source, Source):
                return source._replace(output=f"{name}/{source.output}")
            position = source
        elif node.op not in SAME_MEMORY:
            return Source("", name, node.op)
        name = node.input[position]
    return arguments.index(name)
