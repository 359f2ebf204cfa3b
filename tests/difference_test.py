"""The difference of two models."""

import keras
import numpy as np
import pytest

from tfnorm.difference import relative_difference

L = keras.layers
X = np.array([[[1.0], [0.0]], [[2.0], [4.0]]])


def model(*layers):
    return keras.Sequential([keras.Input((2, 1)), *layers])


def test_outputs():
    five = model(L.Rescaling(1.0, offset=1.0))
    assert relative_difference(five, five, X) == 0
    assert relative_difference(five, model(L.Rescaling(1.0, offset=2.0)), X) == pytest.approx(1 / 5)


def test_outputs_count_where_a_mask_rules_them_out():
    masked = model(L.Masking(), L.Rescaling(1.0, offset=1.0))
    other = model(L.Masking(), L.Rescaling(1.0, offset=2.0))
    only_padded = np.zeros_like(X)
    assert relative_difference(masked, other, only_padded) == pytest.approx(1.0)


def test_masks():
    masked, other = model(L.Masking()), model(L.Masking(mask_value=4.0))
    assert relative_difference(masked, masked, X) == 0
    for pair in [(masked, model(L.Identity())), (model(L.Identity()), masked)]:
        assert relative_difference(*pair, X) == np.inf
    ones = np.ones_like(X)
    assert relative_difference(masked, other, ones) == 0
    assert (
        relative_difference(
            model(L.Lambda(lambda x: x, mask=lambda x, mask: x > 1)),
            model(L.Lambda(lambda x: x, mask=lambda x, mask: x > 2)),
            X,
        )
        == np.inf
    )
