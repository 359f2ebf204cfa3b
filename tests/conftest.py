"""What tests in many folders share."""

import contextlib
import gc
import os
import pathlib
import resource
import tempfile

import hypothesis.configuration
import pytest

from tests.calls import Calls

# Two processes on two cores have no work for more threads, which would wait for each other. Read
# when TensorFlow is imported, here and in the processes that tests start.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

# What hypothesis remembers is not for the checkout.
hypothesis.configuration.set_hypothesis_home_dir(
    pathlib.Path(tempfile.gettempdir()) / "tfnorm-hypothesis"
)


@pytest.fixture(scope="module", autouse=True)
def _no_look_at_what_stays():
    """Takes what lives after a module's tests out of the garbage collector's sight.

    TensorFlow, Keras and their caches are some million objects, and looking at them again and again
    took a fifth of the tests' time.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def call(tmp_path_factory):
    """Programs and code in processes of their own, which start at once: see `Calls`."""
    with contextlib.closing(Calls(tmp_path_factory.mktemp("calls"))) as calls:
        yield calls


@pytest.fixture
def small_files():
    """In `with small_files(size):` a file cannot grow beyond a size in bytes, as on a full disk."""

    @contextlib.contextmanager
    def limited(size):
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)

    return limited
