"""A normalization by its name and options: the one table that the programs' flags use.

A network does not know which normalizations there are. It takes a factory `norm` and calls
`norm(name)(x)`, or `norm(name)(x, labels)` where it is conditional, once a site.
"""

import collections.abc
import dataclasses
import typing

import keras

from tfnorm.functional import WHITENERS
from tfnorm.layers import base
from tfnorm.layers.batch_whitening import BatchWhitening
from tfnorm.layers.coloring import Coloring
from tfnorm.layers.conditional import (
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
)
from tfnorm.layers.sites import RECOVERY_WORDS
from tfnorm.layers.spectral_normalization import SpectralNormalization
from tfnorm.layers.unitization import Unitization


@dataclasses.dataclass(frozen=True)
class Options:
    """What a normalization is made with; those that a kind has no use for are ignored by it.

    `group_size`, the channels in a group, is for whitenings and gn; `groups`, the number of groups,
    for gn alone, which takes one of them. Without either, one group is all.
    """

    group_size: int | None = None
    groups: int | None = None
    iterations: int = 5
    estimate: str = "covariance"
    epsilon: float = 1e-3
    momentum: float = 0.99
    device: str | None = None
    synchronized: bool = False


def _none(options, affine, channels, name):
    return None


def _batch_normalization(options, affine, channels, name):
    return keras.layers.BatchNormalization(
        momentum=options.momentum,
        epsilon=options.epsilon,
        center=affine,
        scale=affine,
        synchronized=options.synchronized,
        name=name,
    )


def _unitization(options, affine, channels, name):
    return Unitization(
        momentum=options.momentum,
        epsilon=options.epsilon,
        center=affine,
        scale=affine,
        synchronized=options.synchronized,
        name=name,
    )


def _group_normalization(options, affine, channels, name):
    if options.groups is None:
        size = min(options.group_size or channels, channels)
        groups = channels // size
    else:
        groups = options.groups
        size = channels // groups
    if groups * size != channels:
        raise ValueError(
            "Groups must divide a site's channels equally. Received: "
            f"groups={options.groups}, group_size={options.group_size}, site={name!r}, "
            f"channels={channels}"
        )
    return keras.layers.GroupNormalization(
        groups, epsilon=options.epsilon, center=affine, scale=affine, name=name
    )


def _layer_normalization(options, affine, channels, name):
    return keras.layers.LayerNormalization(
        epsilon=options.epsilon, center=affine, scale=affine, name=name
    )


def _whitening(method):
    def make(options, affine, channels, name):
        fields = dataclasses.asdict(options)
        del fields["groups"]
        return BatchWhitening(method, center=affine, scale=affine, name=name, **fields)

    return make


# gn's groups are of channels, at all positions. ln is of the channels of each position by itself;
# of all positions too, it is gn with one group.
NORMS = {
    "none": _none,
    "bn": _batch_normalization,
    "gn": _group_normalization,
    "ln": _layer_normalization,
    "unitization": _unitization,
    "pca": _whitening("pca"),
    "zca": _whitening("zca"),
    "cd": _whitening("cd"),
    "itn": _whitening("itn"),
}
GROUPED = (*WHITENERS, "gn")


def parse_norm(name):
    """The `norm` and `group_size` that a name stands for, a dict.

    "zca-64" is ZCA in groups of 64 channels, and "gn-16" group normalization in groups of 16.
    Without a group size, as "bn" or "zca", all channels of a site are one group.
    """
    norm, dash, size = name.partition("-")
    has_size = norm in GROUPED and size.isdecimal() and int(size) > 0
    if norm not in NORMS or (dash and not has_size):
        raise ValueError(
            f"A norm must be one of {', '.join(NORMS)}, and {', '.join(GROUPED)} may have a group "
            f"size in channels, as zca-64. Received: norm={name!r}"
        )
    return {"norm": norm, "group_size": int(size) if dash else None}


def norm_name(norm, group_size):
    """The name that `parse_norm` takes for a norm and its group size."""
    return norm if group_size is None else f"{norm}-{group_size}"


class Recovery(typing.NamedTuple):
    """The layers that follow a normalization, and are summed where there are both.

    `affine` is whether the normalization itself scales and shifts, unless the samples have labels.
    `shared` is for all samples alike, `of_class` for those with labels, with weights for each
    class; None: no such layer, and without `of_class` no labels.
    """

    affine: bool
    shared: collections.abc.Callable | None
    of_class: collections.abc.Callable | None


RECOVERIES = {
    "none": Recovery(False, None, None),
    "scale_shift": Recovery(True, None, ConditionalCenterScale),
    "coloring": Recovery(False, Coloring, ConditionalColoring),
    "factorized_coloring": Recovery(False, Coloring, FactorizedColoring),
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
            composed of a few if factorized (cWC_sa). With "none" nothing follows, and a site is
            not called with labels.
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
    affine, shared, of_class = RECOVERIES[recovery]
    options = Options(**options)
    if norm == "gn":
        _check_groups(options)
    elif options.groups is not None:
        raise ValueError(
            "`groups` is for gn; a whitening has a `group_size`. "
            f"Received: norm={norm!r}, groups={options.groups}"
        )
    arguments = {
        ConditionalCenterScale: (num_classes,),
        Coloring: (),
        ConditionalColoring: (num_classes,),
        FactorizedColoring: (num_classes, rank),
    }

    def recover(kind, name):
        layer = kind(*arguments[kind], name=f"{name}_{RECOVERY_WORDS[kind].replace(' ', '_')}")
        if spectral and kind is not ConditionalCenterScale:
            layer = SpectralNormalization(layer, name=f"spectral_{layer.name}")
        return layer

    def factory(name):
        def apply(x, labels=None):
            if labels is not None and of_class is None:
                raise ValueError(
                    "A site with labels must have a recovery, for nothing else is of the class. "
                    f"Received: recovery={recovery!r}, site={name!r}"
                )
            layer = NORMS[norm](options, affine and labels is None, x.shape[-1], name)
            x = x if layer is None else layer(x)
            parts = [] if shared is None else [recover(shared, name)(x)]
            if labels is not None:
                parts.append(recover(of_class, name)(x, labels))
            if len(parts) == 2:
                return keras.layers.Add(name=f"{name}_recovery")(parts)
            return parts[0] if parts else x

        return apply

    return factory


def _check_groups(options):
    base.check_group_size(options.group_size)
    if options.groups is not None:
        base.check_positive("groups", options.groups)
        if options.group_size is not None:
            raise ValueError(
                "gn must have `groups` or `group_size`, not both. Received: "
                f"groups={options.groups}, group_size={options.group_size}"
            )
