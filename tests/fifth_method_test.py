"""A method is a row of `WHITENERS`: with one more, all that takes a method takes it."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from classify.experiments import disturbed_methods
from harness.config import Normalization
from harness.norms import norm_factory
from tfnorm import functional
from tfnorm.benchmark.candidates import candidates

# In a process of its own; "same" is ZCA under another name.
PROGRAM = """
import importlib, sys
from harness import program
from tfnorm.functional import WHITENERS

WHITENERS["same"] = WHITENERS["zca"]._replace(label="Same")
import classify.presets
importlib.reload(classify.presets)  # as if it had been imported afterwards
module = importlib.reload(importlib.import_module(sys.argv[1]))
sys.argv = sys.argv[1:]
if module.__name__ == "tfnorm.benchmark.__main__":
    module.run(sys.argv)
else:
    program.run(module.main, module.USAGE, module.define_flags)
"""

CALLS = {
    ("gan.train", "--preset=quickstart", "--norm=same", "--group_size=8", "--dry_run"): (
        "same, 16 channels, groups of 8"
    ),
    ("gan.train", "--preset=quickstart", "--discriminator_norm=same", "--dry_run"): "norm_7: same",
    ("classify.train", "--preset=quickstart", "--norm=same", "--dry_run"): "norm_1: same",
    ("classify.train", "--preset=mnist_mlp_same_g16_matrix", "--dry_run"): "norm: same",
    ("tfnorm.benchmark.__main__", "--layers=same", "--shapes=8x4", "--rounds=1"): "same 4",
    ("gan.experiment", "--name=stability", "--norms=same-16", "--dry_run"): (
        "same-16_scale_shift_1e-4_A"
    ),
    ("gan.experiment", "--name=large", "--norms=same", "--dry_run"): "resnet_same",
    ("gan.experiment", "--name=cost", "--norms=same-64", "--dry_run"): "large_dcgan",
    ("classify.experiment", "--name=vgg", "--norms=same-16", "--dry_run"): "same-16_matrix",
    ("classify.experiment", "--name=vgg", "--dry_run"): "same-512",
    ("classify.experiment", "--name=time", "--norms=same-16", "--dry_run"): "resnet50",
    ("classify.experiment", "--name=estimation", "--norms=same", "--dry_run"): "same_rate_0.5",
    ("classify.experiment", "--name=disturbance", "--norms=same", "--dry_run"): "over=dimension",
    ("gan.train", "--help"): "|itn|same",
    ("classify.train", "--help"): "|itn|same",
}


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_programs_take_it(call, words):
    code, out, error = call("-c", PROGRAM, *words)
    assert (code, error) == (0, "")
    assert CALLS[words] in out


@pytest.fixture
def same(monkeypatch):
    """A method that is ZCA under another name, compiled."""
    row = functional.WHITENERS["zca"]._replace(label="Same", jit=True)
    monkeypatch.setitem(functional.WHITENERS, "same", row)


@pytest.mark.usefixtures("same")
def test_the_library_takes_it():
    x = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
    layer = tfnorm.BatchWhitening("same", group_size=3)
    assert layer.supports_jit and not tfnorm.BatchWhitening("zca").supports_jit
    y = layer(x, training=True)
    np.testing.assert_array_equal(y, tfnorm.BatchWhitening("zca", group_size=3)(x, training=True))
    assert tfnorm.BatchWhitening.from_config(layer.get_config()).method == "same"
    covariance = tf.constant(np.cov(x.T), tf.float32)
    np.testing.assert_array_equal(
        functional.whitening_matrix(covariance, "same"),
        functional.whitening_matrix(covariance, "zca"),
    )
    assert ("same", 6) in candidates(["same"], [None], 6)
    site = norm_factory(Normalization("same", group_size=2))("site")
    assert site(tf.constant(x)).shape == x.shape
    config = dataclasses.replace(Normalization(), norm="same")
    assert config.norm == "same"
    assert disturbed_methods.methods() == ["bn", "itn", "zca", "cd", "pca", "same"]
    assert disturbed_methods.label("same") == "Same"


def test_a_method_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"cd.*itn.*pca.*zca.*Received: method='same'"):
        tfnorm.BatchWhitening("same")
