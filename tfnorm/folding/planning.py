"""The plan for a functional model: which layers go, and what the others become."""

import collections.abc
import dataclasses
import typing

import keras

from tfnorm import copying
from tfnorm.folding.affine import INFERENCE_MAPS, AffineMap, unitization_statistics
from tfnorm.folding.graph import Link, chains, is_functional
from tfnorm.folding.linear import LINEAR_KINDS, Linear, affine_layer
from tfnorm.layers import SpectralNormalization, Unitization
from tfnorm.layers.domains import has_domains
from tfnorm.preprocessing import Whitening

FoldModel = collections.abc.Callable[[keras.Model, bool], keras.Model]


def plan(
    model: keras.Model, fold_model: FoldModel, unmasked_inputs: bool = False
) -> dict[str, keras.Layer | None]:
    """Decides what becomes of the layers of a functional model.

    Args:
        model: a functional model.
        fold_model: makes another of a functional or Sequential model within it, and takes whether
            no mask comes into that.
        unmasked_inputs: whether the model's inputs carry no mask.

    Returns:
        A dict of layers' names: to a new layer of that name, or to None where a layer goes. The
        others stay.
    """
    changes: dict[str, keras.Layer | None] = {}
    for chain in chains(model, ROLES, unmasked_inputs):
        places = [_place(link, fold_model) for link in chain]
        changes |= dict.fromkeys(place.name for place in places)
        for place in _merged(places):
            if place.stays:
                del changes[place.name]
            else:
                changes[place.name] = place.layer()
    return changes


@dataclasses.dataclass(frozen=True)
class Place:
    """The stand-in for a layer: an affine map, and after it another layer; or one of the two.

    With neither or both of `affine` and `rest` it is the layer itself.

    Attributes:
        name, dtype: the layer's.
        shape: of its input, None if it has several.
        masked: whether its input may carry a mask.
        axis: the channels', positive; None where nothing is known of them.
        affine: the map.
        rest: what follows the map: a `Linear` that can take maps, or a Keras layer that cannot.
    """

    name: str
    dtype: keras.DTypePolicy
    shape: tuple[int | None, ...] | None
    masked: bool
    axis: int | None = None
    affine: AffineMap | None = None
    rest: Linear | keras.Layer | None = None

    @property
    def stays(self) -> bool:
        return (self.affine is None) == (self.rest is None)

    @property
    def is_affine(self) -> bool:
        return self.affine is not None and self.rest is None

    def fits(self, other: "Place") -> bool:
        """Tells whether both have the channels at the same axis and compute in the same dtype."""
        same_dtype = self.dtype.compute_dtype == other.dtype.compute_dtype
        return self.axis == other.axis and same_dtype

    def layer(self) -> keras.Layer:
        """The Keras layer, built, of a place that does not stay."""
        if self.affine is not None and self.axis is not None and self.shape is not None:
            return affine_layer(
                self.affine, self.axis, self.shape, self.masked, name=self.name, dtype=self.dtype
            )
        return self.rest.layer(self.shape) if isinstance(self.rest, Linear) else self.rest


def _place(link: Link, fold_model: FoldModel) -> Place:
    layer, x, masked, mask_given = link
    if is_functional(layer):
        known = {"rest": fold_model(layer, not masked)}
    elif mask_given and type(layer) in INFERENCE_MAPS:
        # It hands on a mask that its inputs do not carry.
        known = {}
    else:
        layer, known = ROLES[type(layer)](layer, x)
    return Place(layer.name, layer.dtype_policy, getattr(x, "shape", None), masked, **known)


# From a layer and its input to what stands in its place: the layer, and fields of `Place`.
Role = collections.abc.Callable[
    [typing.Any, keras.KerasTensor], tuple[keras.Layer, dict[str, typing.Any]]
]


def _norm(layer, x):
    # Convolutions do not cast integers as normalizations do.
    if not 2 <= len(x.shape) <= 5 or "float" not in x.dtype:
        return layer, {}
    if has_domains(layer):
        return layer, {}
    affine = INFERENCE_MAPS[type(layer)](layer)
    return layer, {"axis": layer.axis % len(x.shape), "affine": affine}


def _whitening(layer, x):
    # A map of one axis to as many components, as an `AffineMap` is.
    is_map = isinstance(layer.axis, int) and layer.n_components is None
    # It centres data before a low precision takes their digits; the layer that takes it would not.
    is_precise = layer.compute_dtype not in ("float16", "bfloat16")
    return _norm(layer, x) if is_map and is_precise else (layer, {})


def _unitization(layer, x):
    if not layer.normalize:
        return layer, {}
    rest = copying.new_like(layer)
    copying.copy_state(layer, rest)
    rest.moving_mean.assign(keras.ops.zeros_like(layer.moving_mean))
    rest.moving_variance.assign(keras.ops.full_like(layer.moving_variance, 1.0 - layer.epsilon))
    axis = layer.axis % len(x.shape)
    return layer, {"axis": axis, "affine": unitization_statistics(layer), "rest": rest}


def _linear(layer, x):
    linear = Linear.like(layer)
    if linear is None:
        return layer, {}
    axis, shape = linear.channel_axis(len(x.shape)), layer.compute_output_shape(x.shape)
    # With the channels first, `keras.ops.add` adds a bias to the last axis if the sizes are equal.
    if axis != len(shape) - 1 and shape[-1] in (None, shape[axis]):
        return layer, {}
    return layer, {"axis": axis, "rest": linear}


def _spectral_normalization(wrapper, x):
    """The wrapped layer with normalised kernels, under the wrapper's name."""
    layer = copying.new_like(wrapper.layer, name=wrapper.name)
    copying.copy_state(wrapper.layer, layer)
    for weight, value in wrapper.normalised_kernels(layer):
        weight.assign(value)
    known = ROLES[type(layer)](layer, x)[1] if type(layer) in ROLES else {}
    return layer, known or {"rest": layer}


# By the layer's class.
ROLES: dict[type, Role] = {
    **dict.fromkeys(INFERENCE_MAPS, _norm),
    **dict.fromkeys(LINEAR_KINDS, _linear),
    Unitization: _unitization,
    Whitening: _whitening,
    SpectralNormalization: _spectral_normalization,
}

# Of two places in turn, those that stand for both; None if the two do not merge.
Merge = collections.abc.Callable[[Place, Place], list[Place] | None]


def _merged(places: list[Place]) -> list[Place]:
    """Merges the places of a chain, so that each affine map goes where it can.

    Of `depthwise -> scale -> color -> dense`, the depthwise convolution takes the scale, and the
    dense layer the matrix that cannot pass to the front: `depthwise' -> dense'`.
    """
    places = _merged_first_to_last(places, _into_producer)
    places = _merged_last_to_first(places, _into_consumer)
    return _merged_first_to_last(places, _into_one)


def _merged_first_to_last(places: list[Place], merge: Merge) -> list[Place]:
    """Merges the second place with the first, the third with what has become of them, and so on."""
    merged: list[Place] = []
    for place in places:
        both = merge(merged[-1], place) if merged else None
        merged[-1:] = both or [*merged[-1:], place]
    return merged


def _merged_last_to_first(places: list[Place], merge: Merge) -> list[Place]:
    """Merges the last place but one with the last, the one before with these, and so on."""
    merged: list[Place] = []
    for place in reversed(places):
        both = merge(place, merged[0]) if merged else None
        merged[:1] = both or [place, *merged[:1]]
    return merged


def _into_producer(producer: Place, place: Place) -> list[Place] | None:
    """Puts the map of a place into the layer before it."""
    if not isinstance(producer.rest, Linear) or place.affine is None or not producer.fits(place):
        return None
    linear = producer.rest.followed_by(place.affine)
    if linear is None:
        return None
    left = [] if place.is_affine else [dataclasses.replace(place, affine=None)]
    return [dataclasses.replace(producer, rest=linear), *left]


def _into_consumer(place: Place, consumer: Place) -> list[Place] | None:
    """Puts a place that is a map into the layer after it."""
    if place.affine is None or place.rest is not None:
        return None
    if not isinstance(consumer.rest, Linear) or not consumer.fits(place):
        return None
    linear = consumer.rest.preceded_by(place.affine)
    return None if linear is None else [dataclasses.replace(consumer, rest=linear)]


def _into_one(first: Place, second: Place) -> list[Place] | None:
    """Makes one map of two."""
    if first.affine is None or second.affine is None:
        return None
    if first.rest is not None or second.rest is not None or not first.fits(second):
        return None
    return [dataclasses.replace(second, affine=second.affine.preceded_by(first.affine))]
