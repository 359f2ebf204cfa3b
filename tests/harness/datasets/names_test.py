"""Datasets in folders whose names would be patterns, or no text."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from harness.datasets import load_images, stream_images
from tests.file_names import NAMES
from tests.harness.datasets import idx_files_test
from tests.harness.datasets.checked import store


@pytest.mark.parametrize("name", NAMES)
def test_a_prepared_dataset_is_read(tmp_path, name):
    features = {
        "image": tfds.features.Image(shape=(2, 2, 1)),
        "label": tfds.features.ClassLabel(num_classes=10),
    }
    for folder, value in (("plain", 9), ("seed1", 7), ("aa", 7), ("whats", 7)):
        rows = {"image": np.full((1, 2, 2, 1), value, np.uint8), "label": np.array([3])}
        rows = tf.data.Dataset.from_tensor_slices(rows)
        store(tmp_path / folder, "toys", features, {"train": rows})
    (tmp_path / "plain").rename(tmp_path / name)
    assert load_images("toys", "train", tmp_path / name).images.max() == 9
    images = stream_images("toys", "train", tmp_path / name)
    assert tf.io.decode_image(images.encoded(tf.constant(0, tf.int64))).numpy().max() == 9


@pytest.mark.parametrize("name", NAMES)
def test_folders_and_files_are_read(tmp_path, name):
    path = tmp_path / name / "train" / name / f"{name}.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(path)
    assert load_images("folder", "train", tmp_path / name, 4).images.max() == 9
    idx_files_test.write(tmp_path / name)
    assert load_images("mnist", "train", tmp_path / name).images.shape == (5, 28, 28, 1)
