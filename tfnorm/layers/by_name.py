"""A normalization by its name and options: the one table that the programs' flags use.

A network does not know which normalizations there are. It takes a factory `norm` and calls
`norm(name)(x)`, or `norm(name)(x, labels)` where it is conditional, once a site.
"""

import dataclasses

import keras

from tfnorm.layers.batch_whitening import BatchWhitening
from tfnorm.layers.coloring import Coloring
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

# Whether the normalization itself scales and shifts, and the layer that follows it.
RECOVERIES = {
    "scale_shift": (True, None),
    "coloring": (False, lambda name: Coloring(name=f"{name}_coloring")),
}


def norm_factory(norm, recovery="scale_shift", **options):
    """Makes the factory of normalizations that a network takes.

    Args:
        norm: a key of `NORMS`. With "none" and scale and shift there is nothing at a site: the
            layer before it has a bias and a scale of its own.
        recovery: "scale_shift", or "coloring": a learned matrix after the normalization.
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
    affine, recover = RECOVERIES[recovery]
    options = Options(**options)

    def factory(name):
        layers = [NORMS[norm](options, affine, name), recover and recover(name)]

        def apply(x, labels=None):
            for layer in layers:
                x = x if layer is None else layer(x)
            return x

        return apply

    return factory


def normalization_sites(model):
    """Where a Keras model normalises: rows (name, kind, channels, group size) in order.

    The group size is None where the kind has none, and the channels where one group is all.
    """
    sites = []
    for layer in model.layers:
        if isinstance(layer, BatchWhitening):
            channels = layer.moving_mean.shape[0]
            size = min(layer.group_size or channels, channels)
            sites.append((layer.name, layer.method, channels, size))
        elif isinstance(layer, keras.layers.BatchNormalization):
            sites.append((layer.name, "bn", layer.moving_mean.shape[0], None))
        elif isinstance(layer, Unitization):
            sites.append((layer.name, "unitization", layer.alpha.shape[0], None))
    return sites
