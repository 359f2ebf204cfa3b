"""Programs that train and evaluate image classifiers.

TensorFlow's C++ library tells standard error what it was compiled for and which drivers it misses,
before a program can tell it not to. Here it does not, unless TF_CPP_MIN_LOG_LEVEL is set: what
matters reaches Python as an exception.
"""

import os
import sys


def _import_quietly():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    shown = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(shown, 2)
        os.close(shown)
        os.close(nowhere)


if "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
    _import_quietly()
