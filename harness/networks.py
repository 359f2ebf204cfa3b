"""What the programs show of a network, and what they say of one that cannot be."""

import contextlib
import math
import os

import tensorflow as tf

from harness.errors import UserError
from tfnorm.layers.sites import normalization_sites, whitening_warnings


def size_in_bytes(*holders):
    """What variables take: those of models, optimizers and modules, and variables themselves."""
    variables = [v for holder in holders for v in getattr(holder, "variables", [holder])]
    return sum(math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in variables)


def describe_networks(models, batch_size):
    """Parameters and normalizations of Keras models, as text, each after an empty line.

    The batch size is that which a statistic is over: where it has too few rows, a line says so,
    and where a layer whitens nothing.
    """
    lines = []
    for model in models:
        count = sum(int(tf.size(weight)) for weight in model.trainable_weights)
        lines += ["", f"{model.name}: {count:,} parameters"]
        for site, kind, channels, group_size, recovery in normalization_sites(model):
            groups = f", groups of {group_size}" if group_size else ""
            recovery = f", {recovery}" if recovery else ""
            lines.append(f"  {site}: {kind}, {channels} channels{groups}{recovery}")
        lines += [f"  warning: {warning}" for warning in whitening_warnings(model, batch_size)]
    return "\n".join(lines)


@contextlib.contextmanager
def making_networks():
    """Makes of an error that there is no such network, or no memory for it, a `UserError`."""
    try:
        yield
    except ValueError as error:
        raise UserError(str(error)) from error
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        reason = str(error).partition("OOM when ")[2].partition(" on /job")[0]
        raise UserError(
            "The networks' weights must fit in memory: fewer filters, a smaller width or depth "
            f"need less. Received: {reason or error}"
        ) from error


def check_memory(models, batch_size):
    """Raises `UserError` if a batch in Keras models is more than this machine's memory.

    It counts what the layers give, which the backward pass needs, as float32: a step takes more.
    With a GPU, whose memory is its own, nothing is checked.
    """
    if tf.config.list_physical_devices("GPU"):
        return
    tensors = [tensor for model in models for layer in model.layers for tensor in _outputs(layer)]
    values = sum(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in tensors)
    needed = 4 * values * batch_size
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise UserError(
            f"A batch must fit in memory: one of {batch_size:,} images is {needed / 1e9:,.0f} GB "
            f"in the networks, and there are {there / 1e9:,.0f} GB. A smaller --batch_size needs "
            f"less. Received: batch_size={batch_size}"
        )


def _outputs(layer):
    with contextlib.suppress(AttributeError, ValueError):  # It is called several times.
        return tf.nest.flatten(layer.output)
    return []
