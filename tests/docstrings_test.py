"""The examples in docstrings of public names: each has one, and each runs."""

import importlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from tests.public_names import public_names
from tests.readme_blocks import python_blocks

# What has no docstring of its own.
CONSTANTS = {"tfnorm.functional.ESTIMATES", "tfnorm.functional.WHITENERS"}
# What a reader is taken to have imported.
IMPORTED = {"keras": keras, "np": np, "tf": tf, "tfnorm": tfnorm}


def documented(name):
    """The docstring of a name."""
    module, _, own = name.rpartition(".")
    return getattr(importlib.import_module(module), own).__doc__


def examples(name):
    """The sources of the examples in a name's docstring."""
    lines = [line.removeprefix("    ") for line in documented(name).splitlines()]
    return [source for _, source in python_blocks("\n".join(lines))]


@pytest.mark.parametrize("name", sorted(set(public_names()) - CONSTANTS))
def test_the_example_runs(name):
    keras.utils.set_random_seed(0)
    found = examples(name)
    assert found
    for source in found:
        exec(compile(source, name, "exec"), dict(IMPORTED))


@pytest.mark.parametrize("name", sorted(set(public_names()) - CONSTANTS))
def test_what_a_paper_says_is_linked(name):
    text = documented(name)
    if re.search(r"[Tt]heorem|[Ee]quation|[Aa]lgorithm|Reference", text):
        assert "https://" in text
