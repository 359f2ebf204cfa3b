"""Elements that are made ahead: their order, and that no iterator of ours is tuned."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from classify.inputs import evaluation_batches, training_input_fn
from harness.datasets.batches import input_fn
from harness.datasets.flow import ahead, mapped
from tests.classify.toy_images import SYMMETRIC, encoded_images, image_files, numbered_images

ROOT = pathlib.Path(__file__).parents[3]


def test_elements_are_in_order_and_not_tuned():
    dataset = ahead(mapped(tf.data.Dataset.range(100), lambda number: number * 2))
    np.testing.assert_array_equal(list(dataset.as_numpy_iterator()), np.arange(0, 200, 2))
    assert dataset.options().autotune.enabled is False


@pytest.mark.parametrize(
    "make",
    [
        lambda context: input_fn(numbered_images(), 4)(context),
        lambda context: input_fn(encoded_images(image_files()), 4, image_size=9)(context),
        lambda context: training_input_fn(numbered_images(), 4, "none", SYMMETRIC)(context),
        lambda context: training_input_fn(
            encoded_images(image_files()), 4, "resized_crop_flip", SYMMETRIC, image_size=9
        )(context),
        lambda context: evaluation_batches(numbered_images(), SYMMETRIC),
        lambda context: evaluation_batches(encoded_images(image_files()), SYMMETRIC, image_size=9),
    ],
    ids=["gan", "gan, files", "training", "training, files", "evaluation", "evaluation, files"],
)
def test_what_the_programs_read_is_not_tuned(make):
    """The thread that tunes can keep who ends an iterator waiting for a minute: see `ahead`."""
    dataset = make(tf.distribute.InputContext(1, 0, 1))
    assert dataset.options().autotune.enabled is False


def test_nothing_else_reads_ahead():
    for folder in ("gan", "classify", "harness", "tfnorm"):
        for path in (ROOT / folder).rglob("*.py"):
            reads_ahead = ".prefetch(" in path.read_text() or "AUTOTUNE" in path.read_text()
            assert reads_ahead == (path.name == "flow.py"), path
