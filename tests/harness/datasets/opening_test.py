"""Which form of a dataset is taken where there are several, and what is said of none."""

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from harness.datasets import load_images
from tests.harness.datasets.checked import message, store
from tests.harness.datasets.idx_files_test import write


def test_a_prepared_dataset_comes_before_official_files(tmp_path):
    write(tmp_path / "mnist")
    features = {
        "image": tfds.features.Image(shape=(2, 2, 1)),
        "label": tfds.features.ClassLabel(num_classes=10),
    }
    assert load_images("mnist", "train", tmp_path).images.shape == (5, 28, 28, 1)
    rows = {"image": np.full((1, 2, 2, 1), 9, np.uint8), "label": np.array([3])}
    store(tmp_path, "mnist", features, {"train": tf.data.Dataset.from_tensor_slices(rows)})
    assert load_images("mnist", "train", tmp_path).images.shape == (1, 2, 2, 1)


def test_datasets_that_are_there_are_listed(tmp_path):
    for folder in ("toys/1.0.0", "imagenette/160px-v2/1.0.0"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "features.json").touch()
    text = message(load_images, "mnist", "train", tmp_path)
    assert f"no file {tmp_path}/mnist/VERSION/features.json" in text
    assert "(datasets there: imagenette/160px-v2, toys)" in text
    text = message(load_images, "mnist:3.0.0", "train", tmp_path)
    assert f"no file {tmp_path}/mnist/3.0.0/features.json" in text
