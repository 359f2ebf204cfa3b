"""What tests in many folders share."""

import contextlib

import pytest

from tests.calls import Calls


@pytest.fixture(scope="session")
def call(tmp_path_factory):
    """Programs and code in processes of their own, which start at once: see `Calls`."""
    with contextlib.closing(Calls(tmp_path_factory.mktemp("calls"))) as calls:
        yield calls
