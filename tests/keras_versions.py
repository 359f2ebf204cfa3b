"""What tests need of Keras, where an older one that the package admits does not have it."""

import keras
import pytest
from packaging.version import parse


def since(version):
    """Whether Keras is of this version or a later one."""
    return parse(keras.__version__) >= parse(version)


# Mark what Keras itself refuses before.
unconnected_inputs = pytest.mark.skipif(
    not since("3.13"), reason="Keras before 3.13 refuses a model with an input that leads nowhere."
)
renorm = pytest.mark.skipif(not since("3.13"), reason="Keras before 3.13 has no renorm.")
float64_losses = pytest.mark.skipif(
    not since("3.13"), reason="Keras before 3.13 has regularizers of float32 alone."
)
functions = pytest.mark.skipif(
    not since("3.13"), reason="Keras before 3.13 takes no function for a regularizer."
)
safe_lambdas = pytest.mark.skipif(
    not since("3.13"), reason="Keras before 3.13 makes a Lambda of code whatever safe mode says."
)
