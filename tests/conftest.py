"""What tests in many folders share."""

import contextlib
import pathlib
import tempfile

import hypothesis.configuration
import pytest

from tests.calls import Calls

# What hypothesis remembers is not for the checkout.
hypothesis.configuration.set_hypothesis_home_dir(
    pathlib.Path(tempfile.gettempdir()) / "tfnorm-hypothesis"
)


@pytest.fixture(scope="session")
def call(tmp_path_factory):
    """Programs and code in processes of their own, which start at once: see `Calls`."""
    with contextlib.closing(Calls(tmp_path_factory.mktemp("calls"))) as calls:
        yield calls
