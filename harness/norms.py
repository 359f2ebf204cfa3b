"""Makes normalizations by their names: the one table that networks get them from.

A network does not know which normalizations there are. It takes a factory `norm` and calls
`norm(name)(x)`, or `norm(name)(x, labels)` where it is conditional, once a site.
"""

import collections.abc
import math
import typing

import keras

from harness.norm_names import norms
from tfnorm.functional import WHITENERS
from tfnorm.layers import (
    BatchWhitening,
    Coloring,
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
    GroupWhitening,
    SpectralNormalization,
    UnitInterval,
    Unitization,
)
from tfnorm.layers.sites import RECOVERY_WORDS


def _none(config, affine, channels, name):
    return None


def _batch_normalization(config, affine, channels, name):
    return keras.layers.BatchNormalization(
        momentum=config.norm_momentum,
        epsilon=config.epsilon,
        center=affine,
        scale=affine,
        synchronized=config.synchronized,
        name=name,
    )


def _unitization(config, affine, channels, name):
    kept = config.alpha_constraint
    return Unitization(
        momentum=config.norm_momentum,
        epsilon=config.epsilon,
        center=affine,
        scale=affine,
        alpha_constraint=None if kept is None else ALPHA_CONSTRAINTS[kept](),
        synchronized=config.synchronized,
        name=name,
    )


def _group_normalization(config, affine, channels, name, groups=None):
    count = _groups(config, channels, name, groups)
    return keras.layers.GroupNormalization(
        count, epsilon=config.epsilon, center=affine, scale=affine, name=name
    )


def _group_whitening(config, affine, channels, name, groups=None):
    if groups is None and config.group_size is None:
        # One group of all would decorrelate nothing.
        groups = math.gcd(GROUPS, channels)
    return GroupWhitening(
        _groups(config, channels, name, groups),
        iterations=config.iterations,
        epsilon=config.epsilon,
        center=affine,
        scale=affine,
        device=config.device,
        name=name,
    )


def _groups(config, channels, name, groups):
    """The number of groups of a site: the given one, or by the group size."""
    if groups is None:
        size = min(config.group_size or channels, channels)
        count = channels // size
    else:
        count = groups
        size = channels // groups
    if count * size != channels:
        raise ValueError(
            "The channels of each normalization must divide into equal groups. Received: "
            f"groups={groups}, group_size={config.group_size}, layer={name!r}, channels={channels}"
        )
    return count


def _layer_normalization(config, affine, channels, name):
    return keras.layers.LayerNormalization(
        epsilon=config.epsilon, center=affine, scale=affine, name=name
    )


def _whitening(config, affine, channels, name):
    return BatchWhitening(
        config.norm,
        group_size=config.group_size,
        iterations=config.iterations,
        estimate=config.estimate,
        momentum=config.norm_momentum,
        epsilon=config.epsilon,
        center=affine,
        scale=affine,
        synchronized=config.synchronized,
        device=config.device,
        name=name,
    )


# All normalizations but the whitenings, of which `WHITENERS` is the table: from a `Normalization`,
# whether it scales and shifts, the channels and the name of its site, to a layer, or None. gn's
# and gw's groups are of channels, at all positions. ln is of the channels of each position by
# itself; of all positions too, it is gn with one group.
PLAIN_NORMS = {
    "none": _none,
    "bn": _batch_normalization,
    "gn": _group_normalization,
    "gw": _group_whitening,
    "ln": _layer_normalization,
    "unitization": _unitization,
}


# Where unitization's alpha is kept.
ALPHA_CONSTRAINTS = {"unit_interval": UnitInterval}

# Of gw, unless told otherwise: the layer's own default, or as many as divide a site's channels.
GROUPS = 32
# Those whose groups can be given by their number.
GROUPED = ("gn", "gw")


class Recovery(typing.NamedTuple):
    """The layers that follow a normalization, and are summed where there are both.

    `label` is what tables call it. `affine` is whether the normalization itself scales and shifts,
    unless the samples have labels. `shared` is for all samples alike, `per_class` for those with
    labels, with weights for each class; None: no such layer, and without `per_class` no labels.
    """

    label: str
    affine: bool
    shared: collections.abc.Callable | None
    per_class: collections.abc.Callable | None


RECOVERIES = {
    "none": Recovery("none", False, None, None),
    "scale_shift": Recovery("scale & shift", True, None, ConditionalCenterScale),
    "coloring": Recovery("coloring", False, Coloring, ConditionalColoring),
    "factorized_coloring": Recovery("factorized coloring", False, Coloring, FactorizedColoring),
}


def norm_factory(config, *, groups=None, num_classes=None, rank=10, spectral=False):
    """Makes the factory of normalizations that a network takes.

    Args:
        config: a `config.Normalization`. With the norm "none" and scale and shift there is nothing
            at a site: the layer before it has a bias and a scale of its own. Without labels, the
            recovery is a scale and shift, or a learned matrix. With labels it is a scale and shift
            of the sample's class, or a matrix of all classes and one of the sample's (cWC), which
            is composed of a few if factorized (cWC_sa). With "none" nothing follows, and a site is
            not called with labels.
        groups: number of groups, for gn and gw alone, in place of a group size; None is by the
            size.
        num_classes: number of classes, for sites that are called with labels.
        rank: number of matrices that a factorized coloring composes its classes' of.
        spectral: whether the matrices are spectrally normalised.

    Returns:
        `norm(name) -> f(x, labels=None)`, f from a Keras tensor to another.

    Raises:
        ValueError: the arguments do not go together.
    """
    norm, recovery = config.norm, config.recovery
    if norm not in norms():
        raise ValueError(f"`norm` must be one of {sorted(norms())}. Received: norm={norm!r}")
    for name, count in (("rank", rank), ("num_classes", num_classes), ("groups", groups)):
        if count is not None and count < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={count!r}")
    if num_classes is None and recovery == "factorized_coloring":
        raise ValueError(
            "recovery=factorized_coloring shares matrices among classes, and must be of a network "
            f"that has them (--conditional). Received: recovery={recovery!r}, num_classes=None"
        )
    if groups is not None and norm not in GROUPED:
        raise ValueError(
            "`groups`, the number of groups, is for gn and gw; pca, zca, cd and itn take "
            "`group_size`, channels in a group. "
            f"Received: norm={norm!r}, groups={groups}"
        )
    if groups is not None and config.group_size is not None:
        raise ValueError(
            f"{norm} must have `groups` or `group_size`, not both. Received: "
            f"groups={groups}, group_size={config.group_size}"
        )
    _, affine, shared, per_class = RECOVERIES[recovery]
    make = _whitening if norm in WHITENERS else PLAIN_NORMS[norm]
    grouped_only = {} if groups is None else {"groups": groups}
    arguments = {
        ConditionalCenterScale: (num_classes,),
        Coloring: (),
        ConditionalColoring: (num_classes,),
        FactorizedColoring: (num_classes, rank),
    }

    def recover(layer_class, name):
        suffix = RECOVERY_WORDS[layer_class].replace(" ", "_")
        layer = layer_class(*arguments[layer_class], name=f"{name}_{suffix}")
        if spectral and layer_class is not ConditionalCenterScale:
            layer = SpectralNormalization(layer, name=f"spectral_{layer.name}")
        return layer

    def factory(name):
        def apply(x, labels=None):
            if labels is not None and per_class is None:
                raise ValueError(
                    "A conditional network must have a recovery, scale_shift or a coloring: it is "
                    "what differs from class to class. "
                    f"Received: recovery={recovery!r}, layer={name!r}"
                )
            layer = make(config, affine and labels is None, x.shape[-1], name, **grouped_only)
            x = x if layer is None else layer(x)
            recovered = [] if shared is None else [recover(shared, name)(x)]
            if labels is not None:
                recovered.append(recover(per_class, name)(x, labels))
            if len(recovered) == 2:
                return keras.layers.Add(name=f"{name}_recovery")(recovered)
            return recovered[0] if recovered else x

        return apply

    return factory
