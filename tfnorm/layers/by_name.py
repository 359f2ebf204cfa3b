"""A normalization by its name and options: the one table that the programs' flags use.

A network does not know which normalizations there are. It takes a factory `norm` and calls
`norm(name)(x)`, or `norm(name)(x, labels)` where it is conditional, once a site.
"""

import collections.abc
import dataclasses
import typing

import keras

from tfnorm.layers import base
from tfnorm.layers.batch_whitening import BatchWhitening
from tfnorm.layers.coloring import Coloring
from tfnorm.layers.conditional import (
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
)
from tfnorm.layers.spectral_normalization import SpectralNormalization
from tfnorm.layers.unitization import Unitization


@dataclasses.dataclass(frozen=True)
class Options:
    """What a normalization is made with; those that a kind has no use for are ignored by it."""

    group_size: int | None = None
    iterations: int = 5
    estimate: str = "covariance"
    epsilon: float = 1e-3
    momentum: float = 0.99
    device: str | None = None
    synchronized: bool = False


def _none(options, affine, name):
    return None


def _batch_normalization(options, affine, name):
    return keras.layers.BatchNormalization(
        momentum=options.momentum,
        epsilon=options.epsilon,
        center=affine,
        scale=affine,
        synchronized=options.synchronized,
        name=name,
    )


def _unitization(options, affine, name):
    return Unitization(
        momentum=options.momentum,
        epsilon=options.epsilon,
        center=affine,
        scale=affine,
        synchronized=options.synchronized,
        name=name,
    )


def _whitening(method):
    def make(options, affine, name):
        return BatchWhitening(
            method, center=affine, scale=affine, name=name, **dataclasses.asdict(options)
        )

    return make


NORMS = {
    "none": _none,
    "bn": _batch_normalization,
    "unitization": _unitization,
    "pca": _whitening("pca"),
    "zca": _whitening("zca"),
    "cd": _whitening("cd"),
    "itn": _whitening("itn"),
}


class Recovery(typing.NamedTuple):
    """The layers that follow a normalization, and are summed where there are both.

    `shared` is for all samples alike; None: the normalization itself scales and shifts, unless
    the samples have labels. `of_class` is for those, with weights for each class.
    """

    shared: collections.abc.Callable | None
    of_class: collections.abc.Callable


RECOVERIES = {
    "scale_shift": Recovery(None, ConditionalCenterScale),
    "coloring": Recovery(Coloring, ConditionalColoring),
    "factorized_coloring": Recovery(Coloring, FactorizedColoring),
}

# A layer is named for its site and this: `norm_1_conditional_coloring`.
_WORDS = {
    ConditionalCenterScale: "conditional gamma and beta",
    Coloring: "coloring",
    ConditionalColoring: "conditional coloring",
    FactorizedColoring: "factorized coloring",
}


def norm_factory(
    norm, recovery="scale_shift", num_classes=None, rank=10, spectral=False, **options
):
    """Makes the factory of normalizations that a network takes.

    Args:
        norm: a key of `NORMS`. With "none" and scale and shift there is nothing at a site: the
            layer before it has a bias and a scale of its own.
        recovery: a key of `RECOVERIES`, what follows the normalization. Without labels it is a
            scale and shift, or a learned matrix. With labels it is a scale and shift of the
            sample's class, or a matrix of all classes and one of the sample's (cWC), which is
            composed of a few if factorized (cWC_sa).
        num_classes: number of classes, for sites that are called with labels.
        rank: number of matrices that a factorized coloring composes its classes' of.
        spectral: whether the matrices are spectrally normalised.
        **options: the fields of `Options`.

    Returns:
        `norm(name) -> f(x, labels=None)`, f from a Keras tensor to another.
    """
    if norm not in NORMS:
        raise ValueError(f"`norm` must be one of {sorted(NORMS)}. Received: norm={norm!r}")
    if recovery not in RECOVERIES:
        raise ValueError(
            f"`recovery` must be one of {sorted(RECOVERIES)}. Received: recovery={recovery!r}"
        )
    base.check_positive("rank", rank)
    if num_classes is not None:
        base.check_positive("num_classes", num_classes)
    elif recovery == "factorized_coloring":
        raise ValueError(
            "A factorized coloring must be of a conditional network: it shares matrices among "
            f"classes. Received: recovery={recovery!r}, num_classes=None"
        )
    shared, of_class = RECOVERIES[recovery]
    options = Options(**options)
    arguments = {
        ConditionalCenterScale: (num_classes,),
        Coloring: (),
        ConditionalColoring: (num_classes,),
        FactorizedColoring: (num_classes, rank),
    }

    def recover(kind, name):
        layer = kind(*arguments[kind], name=f"{name}_{_WORDS[kind].replace(' ', '_')}")
        if spectral and kind is not ConditionalCenterScale:
            layer = SpectralNormalization(layer, name=f"spectral_{layer.name}")
        return layer

    def factory(name):
        def apply(x, labels=None):
            layer = NORMS[norm](options, shared is None and labels is None, name)
            x = x if layer is None else layer(x)
            parts = [] if shared is None else [recover(shared, name)(x)]
            if labels is not None:
                parts.append(recover(of_class, name)(x, labels))
            if len(parts) == 2:
                return keras.layers.Add(name=f"{name}_recovery")(parts)
            return parts[0] if parts else x

        return apply

    return factory


class Site(typing.NamedTuple):
    """A row of `normalization_sites`."""

    name: str
    kind: str
    channels: int
    group_size: int | None
    recovery: str


def normalization_sites(model):
    """Where a Keras model normalises: a `Site` each, in order.

    The kind is a key of `NORMS`, and "none" where there is a recovery alone. The group size is None
    where the kind has none, and the channels where one group is all. The recovery is in words:
    "gamma and beta", "coloring + conditional coloring", or "" without one.
    """
    sites = {}
    for layer in model.layers:
        recovery = layer.layer if isinstance(layer, SpectralNormalization) else layer
        words = _WORDS.get(type(recovery))
        if words is not None:
            name = recovery.name.removesuffix("_" + words.replace(" ", "_"))
            site = sites.get(name, Site(name, "none", layer.output.shape[-1], None, ""))
            recoveries = filter(None, [site.recovery, words])
            sites[name] = site._replace(recovery=" + ".join(recoveries))
        elif (site := _normalization(layer)) is not None:
            sites[layer.name] = site
    return list(sites.values())


def _normalization(layer):
    if isinstance(layer, BatchWhitening):
        channels = layer.moving_mean.shape[0]
        kind, size = layer.method, min(layer.group_size or channels, channels)
    elif isinstance(layer, keras.layers.BatchNormalization):
        channels, kind, size = layer.moving_mean.shape[0], "bn", None
    elif isinstance(layer, Unitization):
        channels, kind, size = layer.alpha.shape[0], "unitization", None
    else:
        return None
    affine = [name for name, used in [("gamma", layer.scale), ("beta", layer.center)] if used]
    return Site(layer.name, kind, channels, size, " and ".join(affine))
