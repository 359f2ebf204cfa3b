"""On another backend than TensorFlow the import says what is supported, in one line."""

import os
import subprocess
import sys

import pytest

from tests.sources import ROOT

# It need not be installed for this.
ANOTHER_BACKEND = "import keras; keras.config.backend = lambda: 'jax'; "


@pytest.mark.parametrize("module", ["tfnorm", "tfnorm.layers", "tfnorm.functional"])
def test_another_backend_is_refused(module):
    result = subprocess.run(
        [sys.executable, "-c", ANOTHER_BACKEND + f"import {module}"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: tfnorm is for Keras on TensorFlow: set ")
    assert last.endswith("Received: backend='jax'")
