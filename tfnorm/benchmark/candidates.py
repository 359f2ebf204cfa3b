"""The layers that are timed, by name."""

import functools
import math
import typing
from collections.abc import Callable, Iterable, Sequence

import keras

import tfnorm
from tfnorm.benchmark.fused import FusedBatchNormalization
from tfnorm.benchmark.torch_batch_norm import TorchBatchNorm

UNIT = "fused"
KERAS = "bn"
TORCH = "torch"
CLASSES = 10

# Layers by name and group size, None where they have none.
Candidates = dict[tuple[str, int | None], keras.Layer | TorchBatchNorm]

# A name in the table -> what makes the layer from the number of channels.
OTHERS: dict[str, Callable[[int], keras.Layer]] = {
    "unitization": lambda channels: tfnorm.Unitization(),
    "center_scale": lambda channels: tfnorm.CenterScale(),
    "conditional_center_scale": lambda channels: tfnorm.ConditionalCenterScale(CLASSES),
    "conditional_coloring": lambda channels: tfnorm.ConditionalColoring(CLASSES),
    "factorized_coloring": lambda channels: tfnorm.FactorizedColoring(CLASSES, rank=4),
    "spectral_coloring": lambda channels: tfnorm.SpectralNormalization(tfnorm.Coloring()),
    "gw": lambda channels: tfnorm.GroupWhitening(math.gcd(16, channels)),
    "gn": lambda channels: keras.layers.GroupNormalization(math.gcd(16, channels)),
    "ln": lambda channels: keras.layers.LayerNormalization(),
}


def grouped() -> dict[str, Callable[..., keras.Layer]]:
    """Names what makes a layer that works in groups, from a group size: a row for each method."""
    whitenings = {
        method: functools.partial(tfnorm.BatchWhitening, method)
        for method in tfnorm.functional.WHITENERS
    }
    return {**whitenings, "coloring": tfnorm.Coloring}


def layer_names() -> tuple[str, ...]:
    """Names all layers that can be timed, beside those that always are."""
    return (*grouped(), *OTHERS)


def candidates(
    names: Iterable[str], sizes: Sequence[int | None], channels: int, torch: typing.Any = None
) -> Candidates:
    """Makes the layers to time, by name and group size (None if the layer has none).

    The first are batch normalizations: TensorFlow's fused kernel, which is the unit, Keras', and
    torch's where there is torch.

    Args:
        names: of `layer_names`.
        sizes: channels in a group, of layers that work in groups; None, or at least the channels:
            one group.
        channels: of the input.
        torch: the module, or None.
    """
    layers: Candidates = {
        (UNIT, None): FusedBatchNormalization(),
        (KERAS, None): keras.layers.BatchNormalization(),
    }
    if torch is not None:
        layers[TORCH, None] = TorchBatchNorm(torch, channels)
    for name in names:
        if name in OTHERS:
            layers[name, None] = OTHERS[name](channels)
            continue
        for size in sorted({min(size or channels, channels) for size in sizes}):
            layers[name, size] = grouped()[name](group_size=size)
    return layers
