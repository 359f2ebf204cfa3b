"""What the programs show of a network: its size, and where it normalises with what."""

import tensorflow as tf

from tfnorm.layers.sites import normalization_sites


def describe_networks(models):
    """Parameters and normalizations of Keras models, as text, each after an empty line."""
    lines = []
    for model in models:
        count = sum(int(tf.size(weight)) for weight in model.trainable_weights)
        lines += ["", f"{model.name}: {count:,} parameters"]
        for site, kind, channels, group_size, recovery in normalization_sites(model):
            groups = f", groups of {group_size}" if group_size else ""
            recovery = f", {recovery}" if recovery else ""
            lines.append(f"  {site}: {kind}, {channels} channels{groups}{recovery}")
    return "\n".join(lines)
