"""Keeps docs/several_machines.md true: what a synchronized whitening puts into collectives."""

import runpy

import pytest
import tensorflow as tf

import tfnorm
from tests.sources import ROOT

PAGE = runpy.run_path(str(ROOT / "docs" / "several_machines.py"))


class Counting:
    """A replica context in which the other replica has zeros, that keeps the sizes of tensors."""

    num_replicas_in_sync = 2

    def __init__(self):
        self.sizes = []

    def all_reduce(self, op, value):
        self.sizes.append(int(tf.size(value)))
        return value


@pytest.mark.parametrize("method", ["itn", "zca"])
@pytest.mark.parametrize("channels, group_size", [(64, 16), (64, None), (64, 256)])
def test_the_numbers_of_a_step_are_what_is_summed(method, channels, group_size, monkeypatch):
    context = Counting()
    layer = tfnorm.BatchWhitening(method, group_size=group_size, synchronized=True)
    layer.build((None, channels))
    monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)
    x = tf.random.normal([256, channels])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    tape.gradient(y, x)
    assert sum(context.sizes) == PAGE["numbers"](channels, group_size)
    assert len(context.sizes) == PAGE["COLLECTIVES"]


def test_the_table_is_of_its_program():
    channels, trainable = PAGE["resnet50"]()
    assert (len(channels), sum(channels), trainable) == (53, 26_560, 25_557_032)
    page = (ROOT / "docs" / "several_machines.md").read_text("utf-8")
    assert "\n".join(PAGE["table"](channels, trainable)) in page
