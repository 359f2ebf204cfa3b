"""Where a model normalises, and with what: what the programs show of a network."""

import typing

import keras

from tfnorm.layers.batch_whitening import BatchWhitening
from tfnorm.layers.coloring import Coloring
from tfnorm.layers.conditional import (
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
)
from tfnorm.layers.spectral_normalization import SpectralNormalization
from tfnorm.layers.unitization import Unitization

# A layer is named for its site and this: `norm_1_conditional_coloring`.
RECOVERY_WORDS = {
    ConditionalCenterScale: "conditional gamma and beta",
    Coloring: "coloring",
    ConditionalColoring: "conditional coloring",
    FactorizedColoring: "factorized coloring",
}


class Site(typing.NamedTuple):
    """A row of `normalization_sites`."""

    name: str
    kind: str
    channels: int
    group_size: int | None
    recovery: str


def normalization_sites(model: keras.Model) -> list[Site]:
    """Where a Keras model normalises: a `Site` each, in order.

    The kind is a name, as "bn" or "itn", and "none" where there is a recovery alone. The group size
    is None where the kind has none, and the channels where one group is all. The recovery is in
    words: "gamma and beta", "coloring + conditional coloring", or "" without one.
    """
    sites = {}
    for layer in model.layers:
        recovery = layer.layer if isinstance(layer, SpectralNormalization) else layer
        words = RECOVERY_WORDS.get(type(recovery))
        if words is not None:
            name = recovery.name.removesuffix("_" + words.replace(" ", "_"))
            site = sites.get(name, Site(name, "none", _channels(layer), None, ""))
            recoveries = filter(None, [site.recovery, words])
            sites[name] = site._replace(recovery=" + ".join(recoveries))
        elif (site := _normalization(layer)) is not None:
            sites[layer.name] = site
    return list(sites.values())


def _channels(layer: keras.Layer, axis: int = -1) -> int:
    """The channels of what a built layer takes, at an axis."""
    config = typing.cast("dict", layer.get_build_config())
    return config["input_shape"][axis]


def _normalization(layer: keras.Layer) -> Site | None:
    if isinstance(layer, BatchWhitening):
        channels = layer.moving_mean.shape[0]
        kind, size = layer.method, min(layer.group_size or channels, channels)
    elif isinstance(layer, keras.layers.BatchNormalization):
        channels, kind, size = layer.moving_mean.shape[0], "bn", None
    elif isinstance(layer, Unitization):
        channels, kind, size = layer.alpha.shape[0], "unitization", None
    elif isinstance(layer, keras.layers.GroupNormalization):
        channels = _channels(layer, layer.axis)
        kind, size = "gn", channels // layer.groups
    elif isinstance(layer, keras.layers.LayerNormalization):
        channels, kind, size = _channels(layer), "ln", None
    else:
        return None
    affine = [name for name, used in [("gamma", layer.scale), ("beta", layer.center)] if used]
    return Site(layer.name, kind, channels, size, " and ".join(affine))
