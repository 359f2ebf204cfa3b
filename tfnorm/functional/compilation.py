"""Whether XLA is to compile what is being traced."""

import tensorflow as tf


def is_compiling() -> bool:
    """Tells whether a function is traced for XLA: `tf.function(jit_compile=True)`, or set_jit.

    TensorFlow has no public name for the first. It marks the graph that calls such a function,
    here one that the graph being traced is within.
    """
    if tf.config.optimizer.get_jit():
        return True
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        context = graph._get_control_flow_context()  # pyright: ignore[reportAttributeAccessIssue]
        while context is not None:
            if context.IsXLAContext():
                return True
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return False
