"""Images as a classifier is evaluated on, and which of them is damaged."""

import numpy as np
import pytest
import tensorflow as tf

from classify.augmentations import central_crop
from classify.inputs import (
    attributed,
    evaluation_batches,
    named_evaluation_batches,
    scaled_images,
    training_input_fn,
)
from harness.datasets.batches import shuffled_indices
from harness.errors import UserError
from tests.classify.toy_images import SYMMETRIC, encoded_images, image_files, numbered_images


@pytest.mark.parametrize("batch_size", [6, 20, 200])
def test_evaluation_is_every_image_once_in_order(batch_size):
    images = numbered_images()
    batches = list(evaluation_batches(images, SYMMETRIC, batch_size).as_numpy_iterator())
    sizes = [len(batch["labels"]) for batch in batches]
    assert sum(sizes) == 20 and all(size == batch_size for size in sizes[:-1])
    labels = np.concatenate([batch["labels"] for batch in batches])
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, np.arange(20))
    pixels = np.concatenate([batch["images"] for batch in batches])
    np.testing.assert_allclose(pixels, SYMMETRIC(images.images), atol=1e-7)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_evaluation_of_encoded_images(kind):
    files = image_files(kind=kind)
    images = encoded_images(files)
    batches = list(evaluation_batches(images, SYMMETRIC, 5, image_size=9).as_numpy_iterator())
    assert [len(batch["labels"]) for batch in batches] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate([b["labels"] for b in batches]), np.arange(12))
    expected = np.stack([SYMMETRIC(central_crop(content, 9)) for content in files])
    pixels = np.concatenate([batch["images"] for batch in batches])
    np.testing.assert_allclose(pixels, expected, atol=1e-6)


@pytest.mark.parametrize("content", [lambda data: data[:-200], lambda data: b"", lambda data: b"x"])
def test_a_damaged_image_is_named(content):
    files = image_files()
    files[7] = content(files[7])
    files = encoded_images(files)
    batches = named_evaluation_batches(files, SYMMETRIC, 9, batch_size=5)
    assert next(batches)["images"].shape == (5, 9, 9, 3)
    with pytest.raises(UserError, match="image 7 of files must be a whole PNG, JPEG"):
        next(batches)

    order = shuffled_indices(3, np.arange(48), 12).numpy()
    step = np.flatnonzero(order == 7)[1] // 4  # in the second epoch
    kwargs = dict(batch_size=4, seed=3, first_step=3)
    make = training_input_fn(
        files, augmentation="resized_crop_flip", scaling=SYMMETRIC, image_size=9, **kwargs
    )
    batches = attributed(make(tf.distribute.InputContext(1, 0, 1)), files, **kwargs)
    for _ in range(step - 3):
        next(batches)
    with pytest.raises(UserError, match="image 7 of files must be a whole PNG, JPEG") as info:
        next(batches)
    assert "{{" not in str(info.value) and "\n" not in str(info.value)


def test_another_failure_stays_what_it_is():
    """Also in the last batch, which is not a whole one."""

    def broken(labels):
        if 10 in labels:
            raise tf.errors.ResourceExhaustedError(None, None, "memory")
        return labels

    files = encoded_images(image_files())
    batches = evaluation_batches(files, SYMMETRIC, 5, image_size=9)
    batches = batches.map(lambda batch: tf.py_function(broken, [batch["labels"]], tf.int32))
    batches = attributed(batches, files, 5)
    assert [len(next(batches)), len(next(batches))] == [5, 5]
    with pytest.raises(tf.errors.OpError, match="memory"):
        next(batches)


def test_attributed_batches_are_the_batches():
    images = numbered_images()
    batches = list(attributed(evaluation_batches(images, SYMMETRIC, 6), images, 6))
    np.testing.assert_array_equal(np.concatenate([b["labels"] for b in batches]), np.arange(20))


def test_all_images_scaled_are_an_array():
    images = numbered_images()
    scaled = scaled_images(images, SYMMETRIC, batch_size=6)
    np.testing.assert_array_equal(scaled, SYMMETRIC(images.images))
    files = image_files()
    scaled = scaled_images(encoded_images(files), SYMMETRIC, image_size=9, batch_size=5)
    assert scaled.shape == (12, 9, 9, 3)
    np.testing.assert_array_equal(scaled[11], SYMMETRIC(central_crop(files[11], 9)))


def test_encoded_images_need_a_size():
    with pytest.raises(ValueError, match="Received: image_size=None"):
        evaluation_batches(encoded_images(image_files()), SYMMETRIC)
