"""XLA: what it compiles, and whether it does."""

import functools
import typing
from collections.abc import Callable

import tensorflow as tf

Function = typing.TypeVar("Function", bound=Callable[..., typing.Any])


def compiled(function: Function) -> Function:
    """Makes a function that XLA compiles, where `has_compiler` says that there is one.

    It compiles anew for each shape of the arguments, which takes some tenths of a second. Made once
    and called often: a function made in each call would be traced in each.
    """
    return typing.cast(Function, tf.function(function, jit_compile=True, autograph=False))


@functools.cache
def has_compiler() -> bool:
    """Whether TensorFlow has XLA for this machine's CPU, and there is no GPU."""
    if tf.config.list_physical_devices("GPU"):
        return False  # nothing was measured there
    with tf.init_scope():
        try:
            compiled(tf.identity)(tf.zeros([1]))
        except tf.errors.OpError:
            return False
    return True


def is_compiling() -> bool:
    """Tells whether a function is traced for XLA: `tf.function(jit_compile=True)`, or set_jit.

    TensorFlow has no public name for the first. It marks the graph that calls such a function,
    here one that the graph being traced is within.
    """
    if tf.config.optimizer.get_jit():
        return True
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return True
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return False
