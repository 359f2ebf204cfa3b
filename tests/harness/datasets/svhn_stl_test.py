"""SVHN's and STL-10's files as they are downloaded."""

import numpy as np
import pytest
import scipy.io

from harness.datasets import image_kind, load_images
from tests.harness.datasets.checked import bilinear, message


def _images(count, size):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.mark.parametrize("name", ["svhn", "svhn_cropped"])
def test_svhn(tmp_path, name):
    images, digits = _images(12, 32), np.arange(12) % 10
    for split in ("train", "test"):
        content = {"X": np.moveaxis(images, 0, 3), "y": np.where(digits == 0, 10, digits)[:, None]}
        scipy.io.savemat(tmp_path / f"{split}_32x32.mat", content, do_compression=True)
    got = load_images(name, "test", tmp_path)
    np.testing.assert_array_equal(got.images, images)
    assert got.labels.tolist() == digits.tolist() and got.class_names == tuple("0123456789")
    assert image_kind(name, tmp_path) == (3, 10, (32, 32))
    smaller = load_images(name, "train", tmp_path, image_size=20).images
    np.testing.assert_allclose(smaller, bilinear(images, 20), atol=1e-3)
    assert "has the splits" in message(load_images, name, "extra", tmp_path)
    file = tmp_path / "test_32x32.mat"
    file.write_bytes(file.read_bytes()[:9000])
    assert f"Damaged data: {file} must hold X" in message(load_images, name, "test", tmp_path)


def test_stl10(tmp_path):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    images, labels = _images(4, 96), np.array([1, 10, 3, 1], np.uint8)
    # A channel after another, in each column after column.
    for split in ("train", "test", "unlabeled"):
        images.transpose(0, 3, 2, 1).tofile(folder / f"{split}_X.bin")
    for split in ("train", "test"):
        labels.tofile(folder / f"{split}_y.bin")
    for place in (tmp_path, folder):
        got = load_images("stl10", "train", place)
        np.testing.assert_array_equal(got.images, images)
        assert got.labels.tolist() == [0, 9, 2, 0] and got.class_names[9] == "truck"
    got = load_images("stl10", "unlabelled", tmp_path, image_size=48)
    assert got.num_classes is None
    np.testing.assert_allclose(got.images, bilinear(images, 48), atol=1e-3)
    assert image_kind("stl10", tmp_path) == (3, 10, (96, 96))
    (folder / "train_y.bin").write_bytes(bytes([11, 1, 1, 1]))
    assert "Received: labels from 0 to 10" in message(load_images, "stl10", "train", tmp_path)
    (folder / "test_X.bin").write_bytes(bytes(100))
    assert "Received: 100 bytes" in message(load_images, "stl10", "test", tmp_path)
