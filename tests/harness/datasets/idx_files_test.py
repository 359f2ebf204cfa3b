import gzip
import os
import struct

import numpy as np
import pytest

from harness.datasets import image_kind, load_images
from tests.harness.datasets.checked import bilinear, message

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def idx(values):
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + bytes(values)


def write(folder, seed=0, change=lambda name: name):
    """Writes the four files; a name that `change` ends with .gz is compressed."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    data = {}
    for count, (split, names) in zip((5, 3), FILES.items(), strict=True):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = random.integers(0, 10, count, dtype=np.uint8)
        data[split] = images, labels
        for name, values in zip(map(change, names), (images, labels), strict=True):
            content = idx(values)
            content = gzip.compress(content) if name.endswith(".gz") else content
            (folder / name).write_bytes(content)
    return data


def check(name, data, data_dir):
    for split, (images, labels) in data.items():
        got = load_images(name, split, data_dir)
        assert (got.name, got.split, got.num_classes) == (name, split, 10)
        assert got.images.dtype == np.uint8 and got.labels.dtype == np.int64
        np.testing.assert_array_equal(got.images, images[..., np.newaxis])
        np.testing.assert_array_equal(got.labels, labels)
        resized = load_images(name, split, data_dir, image_size=32)
        expected = bilinear(images[..., np.newaxis], 32)
        np.testing.assert_allclose(resized.images, expected, atol=1e-3)
    assert image_kind(name, data_dir) == (1, 10, (28, 28))


@pytest.mark.parametrize(
    "change",
    [
        str,
        lambda name: f"{name}.gz",
        lambda name: name.replace("-idx", ".idx"),
        lambda name: f"{name.replace('-idx', '.idx')}.gz",
    ],
)
def test_spellings(tmp_path, change):
    check("mnist", write(tmp_path, change=change), tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_folders(tmp_path, name):
    here = write(tmp_path, seed=1)
    check(name, here, tmp_path)
    raw = {"mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw"}
    data = {other: write(tmp_path / raw[other], seed=len(other)) for other in raw}
    check(name, data[name], tmp_path)
    data = {other: write(tmp_path / other, seed=20 + len(other)) for other in raw}
    check(name, data[name], tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("which", [0, 1])
def test_truncated(tmp_path, which, ending, share):
    write(tmp_path, change=lambda name: name + ending)
    path = tmp_path / (FILES["train"][which] + ending)
    os.truncate(path, int(path.stat().st_size * share))
    text = message(load_images, "mnist", "train", tmp_path)
    assert text.startswith(f"Damaged data: {path} ") and text.endswith("Download the file again")
    assert len(load_images("mnist", "test", tmp_path).labels) == 3


@pytest.mark.parametrize(
    ("which", "content", "received"),
    [
        (0, idx(np.zeros((3, 28, 28), np.uint8)), "Received: 3 images, 5 labels"),
        (0, idx(np.zeros((5, 28, 28), np.uint8)) + b"x", "5x28x28 values that its header"),
        (0, idx(np.zeros((5, 0, 28), np.uint8)), "Received: 0 values"),
        (0, idx(np.zeros(5, np.uint8)), "begins with the bytes 00000803, then 3 sizes"),
        (0, gzip.compress(b"abc", mtime=0), "Received: 23 bytes, 1f8b"),
        (1, idx(np.full(5, 10, np.uint8)), "label from 0 to 9. Received: labels from 10 to 10"),
        (1, struct.pack(">BBBBI", 0, 0, 13, 1, 5) + bytes(20), "Received: 28 bytes, 00000d01"),
    ],
)
def test_other_contents(tmp_path, which, content, received):
    write(tmp_path)
    (tmp_path / FILES["train"][which]).write_bytes(content)
    assert received in message(load_images, "mnist", "train", tmp_path)


def test_not_gzip(tmp_path):
    write(tmp_path, change=lambda name: f"{name}.gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    content = path.read_bytes()
    path.write_bytes(gzip.decompress(content))
    assert "Not a gzipped file" in message(load_images, "mnist", "train", tmp_path)
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 255
    path.write_bytes(flipped)
    assert f"Damaged data: {path}" in message(load_images, "mnist", "train", tmp_path)


def test_mistakes(tmp_path):
    text = message(load_images, "mnist", "train", tmp_path)
    assert f"no file {tmp_path}/mnist/VERSION/features.json" in text
    assert "nor its official files (train-images-idx3-ubyte[.gz] and its like, there or in" in text
    assert "MNIST/raw/" in text and "MNIST/raw/" in message(load_images, "fashion_mnist", "train")
    write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    text = message(load_images, "mnist", "test", tmp_path)
    assert "Received: no t10k-labels-idx1-ubyte or " in text
    for images, _ in FILES.values():
        (tmp_path / images).unlink()
    text = message(load_images, "mnist", "train", tmp_path)
    assert "Received: no train-images-idx3-ubyte or " in text
    text = message(load_images, "mnist", "dev", tmp_path)
    assert "the splits ['test', 'train']. Received: split='dev'" in text


def test_as_keras_distributes_it(tmp_path):
    data = write(tmp_path / "idx")
    arrays = {}
    for split, (images, labels) in data.items():
        arrays |= {f"x_{split}": images, f"y_{split}": labels}
    np.savez(tmp_path / "mnist.npz", **arrays)
    check("mnist", data, tmp_path)
    check("mnist", data, tmp_path / "mnist.npz")


@pytest.mark.parametrize(
    "name, files",
    [
        ("mnist", {"train": "mnist_train.csv", "test": "mnist_test.csv"}),
        ("mnist", {"train": "train.csv"}),  # of the competition, whose test.csv has no labels
        ("fashion_mnist", {"train": "fashion-mnist_train.csv", "test": "fashion-mnist_test.csv"}),
    ],
)
def test_as_kaggle_distributes_it(tmp_path, name, files):
    data = {split: pair for split, pair in write(tmp_path / "idx").items() if split in files}
    header = ",".join(["label", *(f"pixel{i}" for i in range(784))])
    for split, file in files.items():
        images, labels = data[split]
        rows = np.c_[labels, images.reshape(len(images), -1)]
        np.savetxt(tmp_path / file, rows, "%d", ",", header=header, comments="")
    check(name, data, tmp_path)
    file = tmp_path / files["train"]
    whole = file.read_text()
    for content in (whole[:5000], whole.replace("label", "class"), whole.replace(",9", ",999")):
        file.write_text(content)
        assert f"{file} must have rows of a label and 784" in message(
            load_images, name, "train", tmp_path
        )
