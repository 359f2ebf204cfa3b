import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from harness.datasets import check_images, decode, image_kind, load_images, stream_images
from harness.datasets.records import index_records
from tests.harness.datasets.checked import message, store

COUNT = 40


def examples(channels=3):
    """Images of many sizes, one of them of more bytes than a block, with text beside them."""
    random = np.random.default_rng(channels)
    for i in range(COUNT):
        size = 90 if i == 7 else 3
        shape = (size + i % 5, size + i % 7, channels)
        yield {
            "image": random.integers(0, 256, shape, dtype=np.uint8),
            "label": i % 4,
            "file_name": f"{'n' * i}.png",
            "labels": [i] * (i % 3),
        }


def features(channels=3):
    return {
        "image": tfds.features.Image(shape=(None, None, channels)),
        "label": tfds.features.ClassLabel(num_classes=4),
        "file_name": tfds.features.Text(),
        "labels": tfds.features.Sequence(np.int64),
    }


def dataset(channels=3):
    signature = {
        "image": tf.TensorSpec((None, None, channels), tf.uint8),
        "label": tf.TensorSpec((), tf.int64),
        "file_name": tf.TensorSpec((), tf.string),
        "labels": tf.TensorSpec((None,), tf.int64),
    }
    return tf.data.Dataset.from_generator(lambda: examples(channels), output_signature=signature)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    root = tmp_path_factory.mktemp("stored")
    store(root, "toys", features(), {"train": dataset(), "test": dataset()})
    return root


@pytest.fixture
def copy(stored, tmp_path):
    shutil.copytree(stored, tmp_path / "copy")
    return tmp_path / "copy"


def records_of(root):
    return root / "toys/1.0.0/toys-train.tfrecord-00000-of-00001"


def test_stream_is_what_was_stored(stored):
    reader = tfds.core.read_only_builder.builder_from_files("toys", data_dir=str(stored))
    expected = list(tfds.as_numpy(reader.as_dataset(split="train", shuffle_files=False)))
    seen = []
    got = stream_images("toys", "train", stored, lambda *counts: seen.append(counts))
    assert (got.name, got.split, got.num_classes, got.channels) == ("toys", "train", 4, 3)
    assert got.labels.dtype == np.int64 and seen == [(COUNT, COUNT)]
    assert got.labels.tolist() == [row["label"] for row in expected]
    order = np.random.default_rng(0).permutation(COUNT)
    read = tf.data.Dataset.from_tensor_slices(order).map(
        lambda i: decode(got.encoded(i)), num_parallel_calls=3
    )
    for index, image in zip(order, read.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(image, expected[index]["image"])
    assert got.describe(np.int64(7)) == f"{records_of(stored)}, record 7"
    check_images(got)


def test_grey_images(tmp_path):
    store(tmp_path, "grey", features(1), {"train": dataset(1)})
    got = stream_images("grey", "train", tmp_path)
    assert got.channels == 1 and image_kind("grey", tmp_path)[:2] == (1, 4)
    images = {decode(got.encoded(i), got.channels).numpy().tobytes() for i in range(COUNT)}
    assert images == {row["image"].tobytes() for row in examples(1)}


def write_shards(root, counts, label=lambda i: i, key="label", copies=1):
    """TFRecord files of examples of an image and a label, numbered through the files."""
    paths, i = [], 0
    for number, count in enumerate(counts):
        paths.append(str(root / f"{number}.tfrecord"))
        with tf.io.TFRecordWriter(paths[-1]) as writer:
            for _ in range(count):
                values = {
                    "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes(i)])),
                    key: tf.train.Feature(int64_list=tf.train.Int64List(value=copies * [label(i)])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=values))
                writer.write(example.SerializeToString())
                i += 1
    return paths


def test_index_of_several_files(tmp_path):
    counts = [3, 0, 30, 5]
    paths = write_shards(tmp_path, counts, label=lambda i: 1000 * i - 5)
    index = index_records(paths, counts, "label")
    assert index.labels.tolist() == [1000 * i - 5 for i in range(38)]
    assert index.describe(2) == f"{paths[0]}, record 2"
    assert index.describe(3) == f"{paths[2]}, record 0"
    expected = list(tf.data.TFRecordDataset(paths).as_numpy_iterator())
    assert [index.read(i) for i in range(38)] == expected
    # A record may end with zeros, which NumPy drops from its own strings.
    assert [index.data(tf.constant(i, tf.int64)).numpy() for i in range(38)] == expected


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.9999])
def test_truncated_file_is_named(copy, share):
    path = records_of(copy)
    os.truncate(path, int(path.stat().st_size * share))
    text = message(stream_images, "toys", "train", copy)
    assert text.startswith(f"Damaged data: {path} must ") and "Received: " in text


def test_a_file_that_is_cut_between_records(copy):
    path = records_of(copy)
    index = index_records([path], [COUNT], "label")
    os.truncate(path, index.offsets[-1] - 12)
    text = message(stream_images, "toys", "train", copy)
    assert f"{path} must hold {COUNT} records. Received: {COUNT - 1}" in text


def test_a_file_that_is_cut_after_it_was_indexed(copy):
    got = stream_images("toys", "train", copy)
    os.truncate(records_of(copy), 1000)
    text = message(check_images, got, indices=[COUNT - 1])
    where = f"{records_of(copy)}, record {COUNT - 1}"
    assert text.startswith(f"{where} cannot be read: OSError: {where} was cut off after it was")
    records_of(copy).unlink()
    assert "No such file" in message(check_images, got)
    assert "No such file" in message(stream_images, "toys", "train", copy)


def test_other_bytes(tmp_path):
    paths = write_shards(tmp_path, [4])
    with tf.io.TFRecordWriter(paths[0]) as writer:
        writer.write(b"\xff" * 50)
    text = message(index_records, paths, [1], "label")
    assert f"{paths[0]} must be a whole TFRecord file of examples. Received: record 0: no" in text
    for key in ("labels", "label_"):
        paths = write_shards(tmp_path, [4], key=key)
        text = message(index_records, paths, [4], "label")
        assert "record 0: an example without one integer 'label'" in text
    for copies in (2, 9000):  # and of more bytes than are read at once
        paths = write_shards(tmp_path, [4], copies=copies)
        assert "without one integer 'label'" in message(index_records, paths, [4], "label")
    (tmp_path / "0.tfrecord").write_bytes(np.random.default_rng(0).bytes(5000))
    assert "record 0: the file ends, at 5000 bytes" in message(index_records, paths, [4], "label")


def test_a_damaged_image_is_named(copy):
    got = stream_images("toys", "train", copy)
    path = records_of(copy)
    content = bytearray(path.read_bytes())
    start = content.index(got.encoded(tf.constant(9, tf.int64)).numpy())
    content[start : start + 4] = b"none"
    path.write_bytes(content)
    got = stream_images("toys", "train", copy)
    assert message(check_images, got).startswith(f"{path}, record 9 must be a whole PNG, JPEG")
    check_images(got, indices=[8, 10])


def test_mistakes(stored, tmp_path):
    text = message(stream_images, "toys", "valid", stored)
    assert "has the splits ['test', 'train']. Received: split='valid'" in text
    assert "No prepared dataset 'toy'" in message(stream_images, "toy", "train", stored)
    raw = {"image": tfds.features.Tensor(shape=(2, 2, 1), dtype=np.uint8)}
    raw["label"] = tfds.features.ClassLabel(num_classes=2)
    rows = {"image": np.zeros((3, 2, 2, 1), np.uint8), "label": np.array([0, 1, -1])}
    store(tmp_path, "raw", raw, {"train": tf.data.Dataset.from_tensor_slices(rows)})
    text = message(stream_images, "raw", "train", tmp_path)
    assert "must be encoded images in tfrecord files" in text and "image=Tensor(" in text
    raw["image"] = tfds.features.Image(shape=(2, 2, 1))
    store(tmp_path, "hidden", raw, {"train": tf.data.Dataset.from_tensor_slices(rows)})
    text = message(stream_images, "hidden", "train", tmp_path)
    assert "label from 0 to 1. Received: labels from -1 to 1" in text
    assert "labels from -1 to 1" in message(load_images, "hidden", "train", tmp_path)
