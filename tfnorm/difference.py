"""How far apart the outputs of two models are, masks and all."""

import typing

import keras
import numpy as np

from tfnorm import keras_internals


def relative_difference(model: keras.Model, other: keras.Model, samples: typing.Any) -> float:
    """Measures the largest `max |a - b| / max |a|` over the outputs a and b of two models.

    Positions that an output's mask rules out count too. It is inf where the masks that the outputs
    carry are not the same.

    Args:
        model, other: models with outputs of the same structure, here in inference.
        samples: what they take: an array, or a list or dict of arrays.
    """
    outputs, others = (
        keras.tree.flatten(function(samples, training=False)) for function in (model, other)
    )
    return float(np.max(list(map(_relative_difference, outputs, others))))


def _relative_difference(y, other):
    if not _have_one_mask(y, other):
        return np.inf
    a, b = (np.asarray(output, np.float64) for output in (y, other))
    largest = np.max(np.abs(a))
    difference = np.max(np.abs(a - b))
    return difference / largest if difference else 0.0


def _have_one_mask(*outputs):
    mask, other = map(keras_internals.mask_of, outputs)
    if mask is None or other is None:
        return mask is other
    return np.array_equal(mask, other)
