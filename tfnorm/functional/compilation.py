"""XLA: what it compiles, and whether it does."""

import functools
import math
import typing
from collections.abc import Callable

import tensorflow as tf

Function = typing.TypeVar("Function", bound=Callable[..., typing.Any])

# Elements from which on XLA was measured to be the faster, and samples where they are unknown.
_MANY = 500_000
_BATCH = 32


def compiled(function: Function) -> Function:
    """Makes a function that XLA compiles, where `has_compiler` says that there is one.

    It compiles anew for each shape of the arguments, which takes some tenths of a second. Made once
    and called often: a function made in each call would be traced in each.
    """
    return typing.cast(Function, tf.function(function, jit_compile=True, autograph=False))


def is_worth_compiling(x: tf.Tensor) -> bool:
    """Whether x (samples, pixels, channels) is for XLA: if it is large, and of one shape.

    It compiles for each shape anew, and sequences may be of any length.
    """
    batch, *sizes = x.shape
    elements = (batch or _BATCH) * math.prod(size or 0 for size in sizes)
    is_large = x.dtype == tf.float32 and elements >= _MANY
    return is_large and not is_compiling() and has_compiler()


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
