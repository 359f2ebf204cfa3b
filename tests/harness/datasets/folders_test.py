import os
import shutil
import struct

import numpy as np
import pytest
import tensorflow as tf

from harness.datasets import (
    check_images,
    decode,
    held_out_split,
    image_kind,
    load_images,
    stream_images,
)
from tests.harness.datasets.checked import bilinear, message

RANDOM = np.random.default_rng(0)


def pixels(height=6, width=4, channels=3):
    return RANDOM.integers(0, 256, (height, width, channels), dtype=np.uint8)


def bmp(image):
    """A BMP file of (h, w, c), rows bottom up, blue first; one channel has a grey palette."""
    height, width, channels = image.shape
    palette = b"".join(bytes([i, i, i, 0]) for i in range(256)) if channels == 1 else b""
    order = [0] if channels == 1 else [2, 1, 0, 3][:channels]
    padding = bytes(-width * channels % 4)
    rows = b"".join(row[:, order].tobytes() + padding for row in image[::-1])
    start = 54 + len(palette)
    header = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
    header += struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, 8 * channels, 0, len(rows), *[0] * 4
    )
    return header + palette + rows


def gif(frames):
    """A GIF file of grey frames (h, w) of values below 128, uncompressed codes of eight bits."""
    height, width = frames[0].shape
    palette = b"".join(bytes([i, i, i]) for i in range(128))
    content = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF6, 0, 0) + palette
    for frame in frames:
        codes = b"".join(b"\x80" + bytes(row) for row in frame)  # 128 clears the code table.
        codes += b"\x81"
        content += b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x07"
        content += bytes([len(codes)]) + codes + b"\0"
    return content + b";"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.numpy() if tf.is_tensor(content) else content)


def png(image):
    return tf.io.encode_png(image)


@pytest.fixture
def toys(tmp_path):
    """Three classes; the pixels of the files of train: the first of each class, the second, ..."""
    images = {
        "b/1.png": pixels(6, 4),
        "b/2.PNG": pixels(6, 4, 1),
        "b/nested/0.bmp": pixels(5, 7),
        "b/z.Bmp": pixels(3, 5, 1),
        "B c/x.png": pixels(9, 9, 4),
        "ä/1.bmp": pixels(2, 3, 4),
    }
    for name, image in images.items():
        encode = bmp if name.lower().endswith("bmp") else png
        write(tmp_path / "train" / name, encode(image))
    for name in ("b/.hidden.png", "b/.git/1.png", ".cache/1.png", "b/notes.txt", "note.txt"):
        write(tmp_path / "train" / name, b"no image")
    write(tmp_path / "val/b/1.png", png(images["b/1.png"]))
    names = ["B c/x.png", "b/1.png", "ä/1.bmp", "b/2.PNG", "b/nested/0.bmp", "b/z.Bmp"]
    return tmp_path, [images[name] for name in names]


def rgb(image):
    return np.repeat(image, 3, -1) if image.shape[-1] == 1 else image[..., :3]


def test_a_split_in_memory(toys):
    folder, images = toys
    got = load_images("folder", "train", folder, image_size=8)
    assert (got.name, got.split, got.num_classes) == ("folder", "train", 3)
    assert got.labels.tolist() == [0, 1, 2, 1, 1, 1] and got.labels.dtype == np.int64
    expected = np.concatenate([bilinear(rgb(image)[np.newaxis], 8) for image in images])
    assert got.images.dtype == np.float32
    np.testing.assert_allclose(got.images, expected, atol=1e-3)
    assert image_kind("folder", folder) == (3, 3, None)


def test_images_of_the_wanted_size_stay_as_stored(tmp_path):
    images = [pixels(4, 4) for _ in range(3)]
    for i, image in enumerate(images):
        write(tmp_path / f"test/{i}/0.png", png(image))
        write(tmp_path / f"train/{i}/0.png", png(image if i < 2 else pixels(4, 5)))
    got = load_images("folder", "test", tmp_path, image_size=4)
    assert got.images.dtype == np.uint8
    np.testing.assert_array_equal(got.images, images)
    mixed = load_images("folder", "train", tmp_path, image_size=4)
    assert mixed.images.dtype == np.float32
    np.testing.assert_array_equal(mixed.images[:2], images[:2])


def test_stream(toys):
    folder, images = toys
    seen = []
    got = stream_images("folder", "train", str(folder), lambda *counts: seen.append(counts))
    assert (got.name, got.split, got.num_classes, got.channels) == ("folder", "train", 3, 3)
    assert got.labels.tolist() == [0, 1, 2, 1, 1, 1] and seen == [(1, 3), (2, 3), (3, 3)]
    order = tf.data.Dataset.from_tensor_slices(np.array([5, 0, 2, 2], np.int64))
    read = order.map(lambda i: (got.encoded(i), decode(got.encoded(i))), num_parallel_calls=2)
    for index, (encoded, image) in zip([5, 0, 2, 2], read.as_numpy_iterator(), strict=True):
        with open(got.describe(index), "rb") as file:
            assert file.read() == encoded
        np.testing.assert_array_equal(image, rgb(images[index]))
    assert read.element_spec[0] == tf.TensorSpec((), tf.string)
    check_images(got)


def test_jpeg_and_the_first_frame_of_a_gif(tmp_path):
    # Squares of one color each, which JPEG keeps but for rounding.
    gray, color = (np.kron(pixels(2, 3, c), np.ones((16, 16, 1), np.uint8)) for c in (1, 3))
    frames = [RANDOM.integers(0, 128, (5, 6), dtype=np.uint8) for _ in range(2)]
    write(tmp_path / "train/a/0.jpg", tf.io.encode_jpeg(color, quality=100))
    write(tmp_path / "train/a/1.JPEG", tf.io.encode_jpeg(gray, quality=100))
    write(tmp_path / "train/a/2.gif", gif(frames))
    got = stream_images("folder", "train", tmp_path)
    images = [decode(got.encoded(i)).numpy() for i in range(3)]
    assert images[0].shape == images[1].shape == (32, 48, 3)
    assert np.abs(images[1].astype(int) - gray).max() <= 2
    inside = np.arange(32).reshape(2, 16)[:, 4:12].ravel()  # Chroma is stored at half the size.
    difference = np.abs(images[0].astype(int) - color)[inside][:, inside]
    assert difference.max() <= 4
    np.testing.assert_array_equal(images[2], np.repeat(frames[0][..., np.newaxis], 3, -1))


def test_the_split_validation_may_be_val(toys):
    folder, images = toys
    for split in ("validation", "val"):
        got = load_images("folder", split, folder, image_size=8)
        # It lacks classes; the number of a class is that of the split train.
        assert got.labels.tolist() == [1] and got.num_classes == 3 and got.split == split
    write(folder / "validation/ä/1.png", png(pixels()))
    assert load_images("folder", "validation", folder, image_size=8).labels.tolist() == [2]
    assert load_images("folder", "val", folder, image_size=8).labels.tolist() == [1]
    shutil.rmtree(folder / "val")
    assert load_images("folder", "val", folder, image_size=8).labels.tolist() == [2]


def test_links_are_followed(toys):
    folder, _ = toys
    os.symlink(folder / "train/b", folder / "val/ä")
    os.symlink(folder / "train/ä", folder / "val/b/link")
    got = stream_images("folder", "val", folder)
    assert got.labels.tolist() == [1, 2, 1, 2, 2, 2]


@pytest.mark.parametrize("target", ["nowhere", "itself"])
@pytest.mark.parametrize("place", ["", "train", "train/b", "val"])
@pytest.mark.parametrize("name", ["itself", "itself.png"])
def test_links_that_lead_nowhere_are_passed_over(toys, place, name, target):
    """As a circle, which the file system tells by an error, to nothing: in a class or beside."""
    folder, _ = toys
    whole = stream_images("folder", "train", folder), image_kind("folder", folder)
    os.symlink(name if target == "itself" else target, folder / place / name)
    got = stream_images("folder", "train", folder), image_kind("folder", folder)
    assert got[1] == whole[1] and got[0].labels.tolist() == whole[0].labels.tolist()
    assert got[0].class_names == whole[0].class_names
    assert len(stream_images("folder", "val", folder).labels) == 1


@pytest.mark.parametrize(
    ("encode", "share"),
    [
        (tf.io.encode_jpeg, 0.0),
        (tf.io.encode_jpeg, 0.3),
        (tf.io.encode_jpeg, 0.7),
        (tf.io.encode_png, 0.7),
        (bmp, 0.7),
    ],
)
def test_a_truncated_image_is_named(toys, encode, share):
    folder, _ = toys
    path = folder / "train/b/1a.jpg"  # TensorFlow goes by the content.
    write(path, encode(pixels(20, 20)))
    os.truncate(path, int(path.stat().st_size * share))
    text = message(load_images, "folder", "train", folder, image_size=8)
    assert text.startswith(f"{path} must be a whole PNG, JPEG, BMP, GIF, WEBP or TIFF image.")
    got = stream_images("folder", "train", folder)
    seen = []
    text = message(check_images, got, progress=lambda *counts: seen.append(counts))
    assert text.startswith(f"{path} must be") and seen == [(1, 7), (2, 7), (3, 7)]
    assert str(path) in message(check_images, got, indices=[0, 3, 2])
    seen.clear()
    check_images(got, indices=[0, 1, 4], progress=lambda *counts: seen.append(counts))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_an_image_that_is_gone(toys):
    folder, _ = toys
    got = stream_images("folder", "train", folder)
    (folder / "train/b/1.png").unlink()
    text = message(check_images, got)
    path = f"{folder}/train/b/1.png"
    assert text.startswith(f"{path} cannot be read: {path}; No such file")


def test_mistakes(toys):
    folder, _ = toys
    text = message(load_images, "folder", "train", folder)
    assert "give the one to use as --image_size. Received: image_size=None" in text
    text = message(stream_images, "folder", "test", folder)
    assert f"--data_dir={folder} must have the folder test/" in text
    assert text.endswith("test/CLASS/IMAGE.jpg. Received: train/, val/")
    write(folder / "val/new/1.png", png(pixels()))
    write(folder / "val/other/1.png", png(pixels()))
    text = message(stream_images, "folder", "val", folder)
    assert text.endswith("Received: new, other, which are not there")
    for name in "123":
        write(folder / f"val/{name}/1.png", png(pixels()))
    text = message(stream_images, "folder", "val", folder)
    assert text.endswith("Received: 1, 2, 3, new, other, which are not there")
    write(folder / "val/4/1.png", png(pixels()))
    text = message(stream_images, "folder", "val", folder)
    assert text.endswith("Received: 1, 2, 3, 4, new, ..., which are not there")
    (folder / "train/empty").mkdir()
    text = message(stream_images, "folder", "train", folder)
    assert f"Received: none in {folder}/train/empty" in text


def test_missing_folders(tmp_path):
    assert "give --data_dir=DIR" in message(load_images, "folder", "train", image_size=8)
    assert "give --data_dir=DIR" in message(image_kind, "folder")
    text = message(image_kind, "folder", "no/such/folder")
    assert "--data_dir=no/such/folder is not a folder" in text
    assert message(image_kind, "folder", tmp_path).endswith("Received: neither")
    (tmp_path / "train").mkdir()
    assert "train must hold images, or one folder of images per class" in message(
        image_kind, "folder", tmp_path
    )
    (tmp_path / "train/a").mkdir()
    assert image_kind("folder", tmp_path) == (3, 1, None)
    assert "Images as train/CLASS/IMAGE.jpg are --dataset=folder." in message(
        load_images, "imagenette", "train", tmp_path
    )


def test_a_split_without_classes(toys):
    folder, _ = toys
    (folder / "test").mkdir()
    assert f"{folder}/test must hold class folders" in message(
        stream_images, "folder", "test", folder
    )


LAYOUTS = {
    "flat": (["1.png", "2.png"], None, None, None),
    "flat, with folders": (["1.png", "a/2.png"], None, None, None),
    "train alone": (["train/1.png", "train/2.png"], None, None, None),
    "train and val": (["train/1.png", "train/2.png", "val/3.png"], "val", None, None),
    "train and test": (["train/1.png", "train/2.png", "test/3.png"], "test", None, None),
    "classes alone": (["a/1.png", "b/2.png"], None, ("a", "b"), [0, 1]),
    "classes and splits": (
        ["train/a/1.png", "train/b/2.png", "test/b/3.png"],
        "test",
        ("a", "b"),
        [0, 1],
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_splits_and_classes_may_be_missing(tmp_path, layout):
    names, held_out, classes, labels = LAYOUTS[layout]
    for name in names:
        write(tmp_path / name, png(pixels(4, 4)))
    training = load_images("folder", "train", tmp_path, image_size=4)
    assert len(training.images) == 2 and training.class_names == classes
    assert training.num_classes == image_kind("folder", tmp_path).num_classes
    assert training.num_classes == (None if classes is None else 2)
    assert training.labels.tolist() == (labels or [0, 0])
    assert held_out_split("folder", tmp_path) == held_out
    if held_out is not None:
        test = load_images("folder", held_out, tmp_path, image_size=4)
        assert len(test.images) == 1 and test.class_names == classes
    else:
        text = message(load_images, "folder", "test", tmp_path, image_size=4)
        assert "must have the folder test/" in text and "or --test_split=train to measure" in text


def test_a_split_without_train_has_classes_of_its_own(tmp_path):
    write(tmp_path / "test/b/1.png", png(pixels()))
    assert stream_images("folder", "test", tmp_path).class_names == ("b",)
    assert "must have the folder train/" in message(image_kind, "folder", tmp_path)
