"""Signatures show every argument: what a layer is made with is what its configuration has."""

import inspect

import pytest

from tests import descriptors

# Arguments of `keras.layers.Layer`, which are handed on.
OF_KERAS = {"name", "trainable", "dtype"}


@pytest.mark.parametrize("row", descriptors.ROWS, ids=lambda row: row.name)
def test_each_argument_is_in_the_signature(row):
    layer = row.make()
    parameters = inspect.signature(type(layer)).parameters
    assert set(parameters) - {"kwargs"} == set(layer.get_config()) - OF_KERAS
    kinds = {parameter.kind for parameter in parameters.values()}
    assert inspect.Parameter.VAR_POSITIONAL not in kinds


@pytest.mark.parametrize("row", descriptors.ROWS, ids=lambda row: row.name)
def test_each_argument_has_a_type(row):
    parameters = inspect.signature(type(row.make())).parameters
    assert all(p.annotation is not inspect.Parameter.empty for p in parameters.values())
