"""What computes in more digits than its layer's policy is not folded into what does not."""

import keras
import numpy as np
import pytest

import tfnorm
from tests.folding import checked

DATA = (np.random.default_rng(0).normal(size=(500, 6)) + 1000).astype(np.float32)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float32"])
def test_whitening_of_data_far_from_zero(policy):
    keras.config.set_dtype_policy(policy)
    try:
        whitening = tfnorm.Whitening("zca", name="whitening")
        whitening.adapt(DATA)
        layers = [keras.Input((6,)), whitening, keras.layers.Dense(3, name="dense")]
        model = keras.Sequential(layers)
        folded, difference = tfnorm.fold_normalization(model, DATA[:50])
    finally:
        keras.config.set_dtype_policy("float32")
    names = ["whitening", "dense"] if policy != "float32" else ["dense"]
    assert list(checked.kinds(folded)) == names
    assert difference < (1e-3 if policy == "float32" else 1e-6)
