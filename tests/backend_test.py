"""On another backend than TensorFlow the import says what is supported, in one line."""

import os
import subprocess
import sys

from tests.sources import ROOT

# It need not be installed for this.
PROGRAM = """
import importlib, os
import keras

keras.config.backend = lambda: "jax"
for module in ("tfnorm", "tfnorm.layers", "tfnorm.functional"):
    if os.fork() == 0:
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(error, flush=True)
        os._exit(0)
    os.wait()
"""


def test_another_backend_is_refused():
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    lines = result.stdout.splitlines()
    assert len(lines) == 3, result.stderr
    for line in lines:
        assert line.startswith("tfnorm is for Keras on TensorFlow: set ")
        assert line.endswith("Received: backend='jax'")
