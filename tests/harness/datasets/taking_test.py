"""Parts of a split, which keep its names, its classes and whose label is whose."""

import numpy as np
import pytest
import tensorflow as tf

from harness.datasets import EncodedImages, Images
from harness.datasets.taking import chosen, first, some, taken
from harness.errors import UserError

CONTENTS = tf.constant([f"image {i}" for i in range(5)])
IMAGES = Images("toys", "train", np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1), np.arange(5), 9)
ENCODED = EncodedImages(
    name="toys",
    split="train",
    labels=np.arange(5),
    num_classes=9,
    channels=3,
    encoded=lambda index: tf.gather(CONTENTS, index),
    describe="number {}".format,
)


@pytest.mark.parametrize("images", [IMAGES, ENCODED], ids=["in memory", "encoded"])
@pytest.mark.parametrize(
    ("take", "argument", "rows"),
    [(first, 3, [0, 1, 2]), (first, 5, range(5)), (taken, np.array([4, 0, 2]), [4, 0, 2])],
)
def test_a_part_is_of_the_images_that_it_is_of(images, take, argument, rows):
    part = take(images, argument)
    assert (part.name, part.split, part.num_classes) == ("toys", "train", 9)
    assert part.labels.tolist() == [*rows]
    if isinstance(images, Images):
        assert part.images.ravel().tolist() == [*rows]
    else:
        indices = tf.range(len(rows), dtype=tf.int64)
        assert [part.encoded(i) for i in indices] == [f"image {row}".encode() for row in rows]
        assert [part.describe(i) for i in range(len(rows))] == [f"number {row}" for row in rows]


def test_all_is_all_and_more_than_all_is_refused():
    assert first(IMAGES, None) is IMAGES
    assert some(IMAGES, None, 0) is some(IMAGES, 5, 0) is IMAGES
    for take in (first, lambda images, count: some(images, count, 0)):
        with pytest.raises(UserError, match="the 5 images of toys train. Received: train_size=6"):
            take(IMAGES, 6)


def test_a_subset_is_random_and_of_its_seed():
    ordered = Images("toys", "train", np.zeros((1000, 1, 1, 1), np.uint8), np.arange(1000), 1000)
    few = some(ordered, 100, seed=3).labels
    assert 350 < few.mean() < 650 and len(set(few)) == 100
    np.testing.assert_array_equal(some(ordered, 100, seed=3).labels, few)
    np.testing.assert_array_equal(some(ordered, 200, seed=3).labels[:100], few)
    assert set(some(ordered, 100, seed=4).labels) != set(few)
    np.testing.assert_array_equal(chosen(1000, 100, 3), few)
