"""Where a model normalises, and with what: what the programs show of a network."""

import math
import typing

import keras

from tfnorm.functional import groups
from tfnorm.layers.batch_whitening import BatchWhitening
from tfnorm.layers.coloring import Coloring
from tfnorm.layers.conditional import ConditionalCenterScale, ConditionalColoring
from tfnorm.layers.factorized_coloring import FactorizedColoring
from tfnorm.layers.group_whitening import GroupWhitening
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


def whitening_warnings(model: keras.Model, batch_size: int) -> list[str]:
    """Lists a warning of each layer that has too few values, or groups, to whiten."""
    warnings: list[str] = []
    for layer in model.layers:
        if not isinstance(layer, BatchWhitening | GroupWhitening):
            continue
        sizes = list((layer.get_build_config() or {})["input_shape"])
        channels = sizes.pop(layer.axis)
        pixels = math.prod(size or 1 for size in sizes[1:])
        if isinstance(layer, BatchWhitening):
            size = min(layer.group_size or channels, channels)
            warning = groups.warning_of_few(batch_size * pixels, size)
        else:
            count = layer.count_groups(channels)
            warning = groups.warning_of_groups(pixels * channels // count, count)
        if warning is not None:
            warnings.append(f"{layer.name} whitens {warning}")
    return warnings


def normalization_sites(model: keras.Model) -> list[Site]:
    """Lists where a Keras model normalises: a `Site` each, in order.

    The kind is a name, as "bn" or "itn", and "none" where there is a recovery alone. The group size
    is None where the kind has none, and the channels where one group is all. The recovery is in
    words: "gamma and beta", "coloring + conditional coloring", or "" without one.
    """
    sites: dict[str, Site] = {}
    for layer in model.layers:
        recovery = layer.layer if isinstance(layer, SpectralNormalization) else layer
        words = RECOVERY_WORDS.get(type(recovery))
        if words is not None:
            name = recovery.name.removesuffix("_" + words.replace(" ", "_"))
            channels = _input_size(recovery, recovery.axis)
            site = sites.get(name, Site(name, "none", channels, None, ""))
            recoveries = filter(None, [site.recovery, words])
            sites[name] = site._replace(recovery=" + ".join(recoveries))
        elif (site := _normalization(layer)) is not None:
            sites[layer.name] = site
    return list(sites.values())


def _normalization(layer: keras.layers.Layer) -> Site | None:
    """The site of a layer that normalises, by itself; None for one that does not."""
    if isinstance(layer, BatchWhitening):
        channels = _input_size(layer, layer.axis)
        kind, size = layer.method, min(layer.group_size or channels, channels)
    elif isinstance(layer, keras.layers.BatchNormalization):
        channels, kind, size = _input_size(layer, layer.axis), "bn", None
    elif isinstance(layer, Unitization):
        channels, kind, size = _input_size(layer, layer.axis), "unitization", None
    elif isinstance(layer, keras.layers.GroupNormalization):
        channels = _input_size(layer, layer.axis)
        kind, size = "gn", channels // layer.groups
    elif isinstance(layer, GroupWhitening):
        channels = _input_size(layer, layer.axis)
        kind, size = "gw", channels // layer.count_groups(channels)
    elif isinstance(layer, keras.layers.LayerNormalization):
        channels, kind, size = _input_size(layer, -1), "ln", None
    else:
        return None
    affine = [name for name, used in [("gamma", layer.scale), ("beta", layer.center)] if used]
    return Site(layer.name, kind, channels, size, " and ".join(affine))


def _input_size(layer: keras.layers.Layer, axis: int) -> int:
    """The size of an axis of what a layer was built for."""
    config = layer.get_build_config() or {}
    return config["input_shape"][axis]
