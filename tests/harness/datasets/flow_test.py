"""Elements that are made ahead: their order, and that no iterator of ours is tuned."""

import pathlib

import numpy as np
import tensorflow as tf

from harness.datasets import Images
from harness.datasets.batches import input_fn
from harness.datasets.flow import ahead, mapped

ROOT = pathlib.Path(__file__).parents[3]


def test_elements_are_in_order_and_not_tuned():
    dataset = ahead(mapped(tf.data.Dataset.range(100), lambda number: number * 2))
    np.testing.assert_array_equal(list(dataset.as_numpy_iterator()), np.arange(0, 200, 2))
    assert dataset.options().autotune.enabled is False


def test_what_a_gan_reads_is_not_tuned():
    images = Images("x", "train", np.zeros((4, 2, 2, 1), np.uint8), np.zeros(4, int), 1)
    dataset = input_fn(images, 2)(tf.distribute.InputContext(1, 0, 1))
    assert dataset.options().autotune.enabled is False


def test_nothing_else_reads_ahead():
    """The thread that tunes can keep who ends an iterator waiting for a minute: see `ahead`."""
    for folder in ("gan", "classify", "harness", "tfnorm"):
        for path in (ROOT / folder).rglob("*.py"):
            reads_ahead = ".prefetch(" in path.read_text() or "AUTOTUNE" in path.read_text()
            assert reads_ahead == (path.name == "flow.py"), path
