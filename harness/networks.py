"""What the programs show of a network: its size, and where it normalises with what."""

import math

import tensorflow as tf

from tfnorm.layers.sites import few_row_warnings, normalization_sites


def size_in_bytes(*holders):
    """What variables take: those of models, optimizers and modules, and variables themselves."""
    variables = [v for holder in holders for v in getattr(holder, "variables", [holder])]
    return sum(math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in variables)


def describe_networks(models, batch_size):
    """Parameters and normalizations of Keras models, as text, each after an empty line.

    The batch size is that which a statistic is over: where it has too few rows, a line says so.
    """
    lines = []
    for model in models:
        count = sum(int(tf.size(weight)) for weight in model.trainable_weights)
        lines += ["", f"{model.name}: {count:,} parameters"]
        for site, kind, channels, group_size, recovery in normalization_sites(model):
            groups = f", groups of {group_size}" if group_size else ""
            recovery = f", {recovery}" if recovery else ""
            lines.append(f"  {site}: {kind}, {channels} channels{groups}{recovery}")
        lines += [f"  warning: {warning}" for warning in few_row_warnings(model, batch_size)]
    return "\n".join(lines)
