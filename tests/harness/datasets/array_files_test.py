"""Images in .npy and .npz files: as they are, of floats, with splits, and what is refused."""

import dataclasses

import numpy as np
import pytest

from harness.datasets import Images, held_out_split, image_kind, load_images
from harness.datasets.labelled import check_alike, line_of_missing
from tests.harness.datasets import checked


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3), np.uint8)


def _message(path, name="array", split="train"):
    return checked.message(load_images, name, split, path)


@pytest.mark.parametrize("name", ["images", "x", "arr_0", "train_images", "x_train"])
def test_images_by_the_names_that_are_known(tmp_path, pixels, name):
    np.savez(tmp_path / "a.npz", **{name: pixels})
    got = load_images("array", "train", tmp_path / "a.npz")
    np.testing.assert_array_equal(got.images, pixels)
    assert got.num_classes is None and not got.labels.any()
    assert image_kind("array", tmp_path / "a.npz") == (3, None, (6, 5))
    assert held_out_split("array", tmp_path / "a.npz") is None


@pytest.mark.parametrize("names", ["x_{} y_{}", "{}_images {}_labels"])
def test_splits_and_labels_as_keras_and_medmnist_have_them(tmp_path, pixels, names):
    grey, labels, arrays = pixels[..., 0], np.arange(12) % 4, {}
    for split, rows in (("train", slice(8)), ("test", slice(8, 12))):
        images, numbers = names.replace("{}", split).split()
        arrays |= {images: grey[rows], numbers: labels[rows, np.newaxis]}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    assert held_out_split("array", tmp_path / "a.npz") == "test"
    assert image_kind("array", tmp_path / "a.npz") == (1, 4, (6, 5))
    got = load_images("array", "test", tmp_path / "a.npz", image_size=8)
    np.testing.assert_allclose(
        got.images, checked.bilinear(grey[8:, ..., np.newaxis], 8), atol=1e-3
    )
    assert got.labels.tolist() == [0, 1, 2, 3] and got.num_classes == 4


@pytest.mark.parametrize("low, high", [(0, 1), (-1, 1), (0, 255)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_scaled_by_the_range_that_is_told(tmp_path, pixels, low, high, dtype):
    values = (low + pixels.astype(np.float64) / 255 * (high - low)).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    got = load_images(f"array/{low}:{high}", "train", tmp_path / "a.npy")
    assert got.images.dtype == np.float32
    np.testing.assert_allclose(got.images, pixels, atol=0.15 if dtype == "float16" else 2e-5)
    assert "arrays of floats by --dataset=array/0:1, " in _message(tmp_path / "a.npy")


def test_a_file_is_what_it_holds_and_not_what_it_is_called(tmp_path, pixels):
    np.savez(tmp_path / "a.npz", images=pixels)
    (tmp_path / "a.npz").rename(tmp_path / "many.npy")
    np.save(tmp_path / "b.npy", pixels)
    (tmp_path / "b.npy").rename(tmp_path / "one.npz")
    for name in ("many.npy", "one.npz"):
        np.testing.assert_array_equal(load_images("array", "train", tmp_path / name).images, pixels)
    (tmp_path / "many.npy").write_text("no arrays")
    assert "cannot be read as a file of arrays" in _message(tmp_path / "many.npy")


def test_what_is_refused_is_told(tmp_path, pixels):
    file = tmp_path / "a.npz"
    for name, values, said in (
        ("array/0:1", pixels / 200, "values from 0 to 1. Received: values from 0 to 1.27"),
        ("array/0:1", pixels * np.nan, "Received: values from nan to nan"),
        ("array", pixels.astype(np.int64) - 1, "values from 0 to 255. Received: values from -1"),
        ("array", pixels > 9, "Received: dataset=array, and bool in"),
        ("array", pixels[0, 0], "Received: shape=(5, 3)"),
        ("array", np.moveaxis(pixels, 3, 1), "Received: shape=(12, 3, 6, 5)"),
        ("array", pixels[:0], "Received: shape=(0, 6, 5, 3)"),
        ("array", np.array([{}] * 12), "cannot be read as a file of arrays of numbers"),
        ("array/0:9", pixels, "A dataset of arrays must be --dataset=array, --dataset=array/0:1,"),
    ):
        np.savez(file, images=values)
        assert said in _message(file, name)
    np.savez(file, pictures=pixels)
    assert "named as one of images, x, arr_0, x_train, train_images. Received: pic" in _message(
        file
    )
    for labels, said in (
        (np.arange(11), "Received: 12 images, 11 labels"),
        (np.arange(12) - 1, "Received: labels from -1 to 10"),
        (np.eye(12), "must be integers (n,). Received: float64 (12, 12)"),
    ):
        np.savez(file, images=pixels, labels=labels)
        assert said in _message(file)
    assert "has the splits ['train']. Received: split='test'" in _message(file, split="test")
    file.write_text("no arrays")
    assert _message(file).endswith("numbers (This file contains pickled (object) data.)")
    np.savez(file, images=pixels)
    file.write_bytes(file.read_bytes()[:300])
    assert "cannot be read as a file of arrays" in _message(file)
    assert "give it as --data_dir=FILE.npz, or .npy. Received: data_dir=" in _message(tmp_path)
    assert "Received: data_dir=None" in _message(None)


def test_splits_are_of_one_size_and_as_many_channels(pixels):
    training = Images("array", "train", pixels, np.zeros(12, np.int64), None)
    check_alike(training, dataclasses.replace(training, images=pixels[:3]))
    for other, said in ((pixels[..., :1], "6x5x1 in test"), (pixels[:, :4], "4x5x3 in test")):
        message = checked.message(
            check_alike, training, dataclasses.replace(training, split="test", images=other)
        )
        assert "must have images of one size" in message
        assert f"Received: 6x5x3 in train, {said}" in message


def test_classes_without_images_are_told(pixels):
    labels = np.array([1, 2, 3] * 4)
    images = Images("array", "train", pixels, labels, 4)
    assert "no image of 1 of its 4 classes (0): " in line_of_missing(images)
    named = dataclasses.replace(images, class_names=("ant", "bee", "cat", "dog"))
    assert "(ant)" in line_of_missing(named)
    assert line_of_missing(dataclasses.replace(images, labels=labels % 3, num_classes=3)) is None
    assert line_of_missing(dataclasses.replace(images, num_classes=None)) is None
