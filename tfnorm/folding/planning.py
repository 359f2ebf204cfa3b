"""Which layers of a functional model go, and what the others become."""

import dataclasses

import keras

from tfnorm.folding.affine import INFERENCE_MAPS, AffineMap, unitization_statistics
from tfnorm.folding.graph import is_functional, runs
from tfnorm.folding.linear import KINDS, Linear, standalone
from tfnorm.layers import SpectralNormalization, Unitization


def plan(model, fold_model):
    """What becomes of the layers of a functional model.

    Args:
        model: a functional model.
        fold_model: what makes another of a functional or Sequential model within it.

    Returns:
        A dict of layers' names: to a new layer of that name, or to None where a layer goes. The
        others stay.
    """
    changes = {}
    for run in runs(model, ROLES):
        sites = [_site(call, fold_model) for call in run]
        changes |= dict.fromkeys(site.name for site in sites)
        for join, step in ((_into_producer, 1), (_into_consumer, -1), (_into_one, 1)):
            sites = _joined(sites[::step], join)[::step]
        for site in sites:
            if site.stays:
                del changes[site.name]
            else:
                changes[site.name] = site.layer()
    return changes


@dataclasses.dataclass(frozen=True)
class Site:
    """What is in a layer's place: an affine map, and after it another layer; or one of the two.

    `axis` is the channels'. With neither or both of `affine` and `rest` it is the layer itself.
    """

    name: str
    dtype: keras.DTypePolicy
    shape: tuple
    masked: bool
    axis: int | None = None
    affine: AffineMap | None = None
    rest: Linear | keras.layers.Layer | None = None

    @property
    def stays(self):
        return (self.affine is None) == (self.rest is None)

    @property
    def is_linear(self):
        return isinstance(self.rest, Linear)

    @property
    def is_affine(self):
        return self.affine is not None and self.rest is None

    def fits(self, other):
        """Whether both have the channels at the same axis and compute in the same dtype."""
        dtypes = self.dtype.compute_dtype, other.dtype.compute_dtype
        return self.axis == other.axis and dtypes[0] == dtypes[1]

    def layer(self):
        """The Keras layer, built."""
        if self.is_affine:
            options = {"name": self.name, "dtype": self.dtype}
            return standalone(self.affine, self.axis, self.shape, self.masked, **options)
        return self.rest.layer(self.shape) if self.is_linear else self.rest


def _site(call, fold_model):
    layer, x, masked = call
    if is_functional(layer):
        known = {"rest": fold_model(layer)}
    else:
        layer, known = ROLES[type(layer)](layer, x)
    return Site(layer.name, layer.dtype_policy, getattr(x, "shape", None), masked, **known)


def _norm(layer, x):
    # Convolutions do not cast integers as normalizations do.
    if not 2 <= len(x.shape) <= 5 or "float" not in x.dtype:
        return layer, {}
    affine = INFERENCE_MAPS[type(layer)](layer)
    return layer, {"axis": layer.axis % len(x.shape), "affine": affine}


def _unitization(layer, x):
    if not layer.normalize:
        return layer, {}
    rest = type(layer).from_config(layer.get_config())
    rest.build(x.shape)
    rest.set_weights(layer.get_weights())
    rest.moving_mean.assign(keras.ops.zeros_like(layer.moving_mean))
    rest.moving_variance.assign(keras.ops.full_like(layer.moving_variance, 1.0 - layer.epsilon))
    axis = layer.axis % len(x.shape)
    return layer, {"axis": axis, "affine": unitization_statistics(layer), "rest": rest}


def _linear(layer, x):
    linear = Linear.of(layer)
    if linear is None:
        return layer, {}
    axis, shape = linear.channel_axis(len(x.shape)), layer.compute_output_shape(x.shape)
    # With the channels first, `keras.ops.add` adds a bias to the last axis if the sizes are equal.
    if axis != len(shape) - 1 and shape[-1] in (None, shape[axis]):
        return layer, {}
    return layer, {"axis": axis, "rest": linear}


def _spectral_normalization(wrapper, x):
    """The wrapped layer with normalised kernels, under the wrapper's name."""
    wrapped = wrapper.layer
    layer = type(wrapped).from_config(wrapped.get_config() | {"name": wrapper.name})
    layer.build_from_config(wrapped.get_build_config())
    normalised = {id(kernel): value for kernel, value in wrapper.normalised_kernels()}
    layer.set_weights([normalised.get(id(weight), weight) for weight in wrapped.weights])
    known = ROLES[type(layer)](layer, x)[1] if type(layer) in ROLES else {}
    return layer, known or {"rest": layer}


# What stands in the place of a layer of a class: the layer, and fields of `Site`.
ROLES = {
    **dict.fromkeys(INFERENCE_MAPS, _norm),
    **dict.fromkeys(KINDS, _linear),
    Unitization: _unitization,
    SpectralNormalization: _spectral_normalization,
}


def _joined(sites, join):
    """Joins each site to what has become of those before it."""
    joined = []
    for site in sites:
        both = join(joined[-1], site) if joined else None
        joined[-1:] = both or [*joined[-1:], site]
    return joined


def _into_producer(producer, site):
    if producer.is_linear and site.affine is not None and producer.fits(site):
        rest = producer.rest.then(site.affine)
        left = [] if site.is_affine else [dataclasses.replace(site, affine=None)]
        return rest and [dataclasses.replace(producer, rest=rest), *left]


def _into_consumer(consumer, site):
    if consumer.is_linear and site.is_affine and consumer.fits(site):
        rest = consumer.rest.after(site.affine)
        return rest and [dataclasses.replace(consumer, rest=rest)]


def _into_one(first, second):
    if first.is_affine and second.is_affine and first.fits(second):
        return [dataclasses.replace(second, affine=second.affine.after(first.affine))]
