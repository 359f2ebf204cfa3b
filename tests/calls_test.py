"""Calls of layers by name, and masks that are computed alike."""

import keras
import numpy as np
import pytest

from tfnorm import calls

L = keras.layers
ops = keras.ops


class Wrapping(L.Layer):
    """Hands on whatever it is given besides."""

    def call(self, inputs, *args, training=False, **kwargs):
        return inputs, args, kwargs


def test_arguments():
    x, mask = keras.Input((3, 4)), keras.Input((3,), dtype="bool")
    norm = L.BatchNormalization()
    for args, kwargs in [((x,), {}), ((), {"inputs": x})]:
        assert calls.arguments(norm, args, kwargs) == (x, {}, ())
    for args, kwargs in [((x, None, mask), {}), ((x,), {"training": None, "mask": mask})]:
        given = calls.arguments(norm, args, kwargs)
        assert given == (x, {"training": None, "mask": mask}, ())
        assert given.mask is mask
    given = calls.arguments(Wrapping(), (x, 1, 2), {"training": True, "mask": mask})
    assert given == (x, {"training": True, "mask": mask}, (1, 2))


def test_the_mask_that_the_inputs_carry_is_not_given():
    x = L.Masking()(keras.Input((3, 4)))
    norm = L.BatchNormalization()
    norm(x)
    (node,) = norm._inbound_nodes
    args, kwargs = node.arguments.args, node.arguments.kwargs
    assert kwargs["mask"] is not None, "Keras records it."
    assert calls.arguments(norm, args, kwargs).mask is None
    other = ops.logical_not(kwargs["mask"])
    assert calls.arguments(norm, args, kwargs | {"mask": other}).mask is other


def test_computed_alike():
    x, y = keras.Input((3, 4)), keras.Input((3, 4))

    def mask(x, value=0, axis=-1):
        return ops.any(ops.not_equal(x, value), axis=axis)

    alike = [(x, x), (mask(x), mask(x)), ([mask(x), None], [mask(x), None]), (None, None)]
    for pair in alike:
        assert calls.are_computed_alike(*pair)
    dense = L.Dense(2)
    others = [
        (x, y),
        (mask(x), mask(y)),
        (mask(x), mask(x, value=1)),
        (mask(x), mask(x, axis=1)),
        (mask(x), None),
        (mask(x), [mask(x), mask(x)]),
        (ops.logical_not(mask(x)), mask(x)),
        (ops.not_equal(x, 0), ops.equal(x, 0)),
        # A layer may draw at random.
        (dense(x), dense(x)),
        (ops.split(x, 2, axis=-1)[0], ops.split(x, 2, axis=-1)[1]),
        (x + np.ones(4), x + np.zeros(4)),
    ]
    for pair in others:
        assert not calls.are_computed_alike(*pair)


def test_masks_of_many_layers_are_compared_in_time():
    x = keras.Input((3,), dtype="bool")
    masks = [x, x]
    for _ in range(60):
        masks = [ops.logical_or(mask, mask) for mask in masks]
    assert calls.are_computed_alike(*masks)


@pytest.mark.parametrize(
    ("layer", "name", "expected"),
    [
        (L.BatchNormalization(), "mask", True),
        (L.Dense(2), "mask", False),
        (Wrapping(), "mask", True),
        (keras.Sequential(), "mask", True),
    ],
)
def test_takes(layer, name, expected):
    assert calls.takes(layer, name) is expected


def test_a_call_in_place_of_another():
    mask = np.array([[True, False]])
    x = np.ones((1, 2, 3), np.float32)
    given = calls.Arguments(x, {"training": True, "mask": mask}, ())
    assert calls.call_in_place(L.Dense(4), given).shape == (1, 2, 4)
    inputs, args, kwargs = calls.call_in_place(Wrapping(), given._replace(unnamed=(x,)))
    assert len(args) == 1 and kwargs["mask"] is not None
    assert inputs.shape == x.shape
