import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from harness.datasets import image_kind, load_images, stream_images
from tests.harness.datasets import checked
from tests.harness.datasets.checked import bilinear

PREPARE = "python -c \"import tensorflow_datasets as tfds; tfds.load('{}', data_dir='{}')\""


def _store(root, name, features, examples):
    """Writes a prepared dataset; `examples` is a dictionary of arrays."""
    rows = tf.data.Dataset.from_tensor_slices(examples)
    checked.store(root, name, features, {"train": rows, "test": rows})


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(0)
    return {
        "image": random.integers(0, 256, (1100, 6, 6, 3), dtype=np.uint8),
        "label": random.integers(0, 4, 1100),
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory, examples):
    root = tmp_path_factory.mktemp("store")
    features = {
        "image": tfds.features.Image(shape=(6, 6, 3)),
        "label": tfds.features.ClassLabel(num_classes=4),
    }
    _store(root, "toys", features, examples)
    return root


@pytest.fixture
def copy(store, tmp_path):
    shutil.copytree(store, tmp_path / "copy")
    return tmp_path / "copy"


def _message(*args, **kwargs):
    return checked.message(load_images, *args, **kwargs)


def test_prepared_dataset_is_read_in_order_as_stored(store, examples):
    # The store shuffles as it writes; tfds itself, read one by one, is the reference.
    reader = tfds.core.read_only_builder.builder_from_files("toys", data_dir=str(store))
    expected = list(tfds.as_numpy(reader.as_dataset(split="train", shuffle_files=False)))
    got = load_images("toys", "train", store)
    assert (got.name, got.split, got.num_classes) == ("toys", "train", 4)
    assert got.images.dtype == np.uint8 and got.labels.dtype == np.int64
    np.testing.assert_array_equal(got.images, [row["image"] for row in expected])
    np.testing.assert_array_equal(got.labels, [row["label"] for row in expected])
    assert image_kind("toys", store) == (3, 4, got.images.shape[1:3])
    pairs = {(image.tobytes(), label) for image, label in zip(*examples.values(), strict=True)}
    assert pairs == {(i.tobytes(), y) for i, y in zip(got.images, got.labels, strict=True)}


def test_prepared_dataset_is_resized(store):
    stored = load_images("toys", "test", store)
    same = load_images("toys", "test", store, image_size=6)
    resized = load_images("toys", "test", store, image_size=9)
    assert same.images.dtype == np.uint8 and resized.images.dtype == np.float32
    np.testing.assert_array_equal(same.images, stored.images)
    np.testing.assert_array_equal(resized.labels, stored.labels)
    np.testing.assert_allclose(resized.images, bilinear(stored.images, 9), atol=1e-3)


def test_images_of_different_sizes_need_one(tmp_path):
    features = {
        "image": tfds.features.Image(shape=(None, None, 1)),
        "label": tfds.features.ClassLabel(num_classes=2),
    }
    examples = {"image": np.zeros((3, 5, 4, 1), np.uint8), "label": np.array([0, 1, 0])}
    _store(tmp_path, "mixed", features, examples)
    assert "Received: image_size=None" in _message("mixed", "train", tmp_path)
    assert load_images("mixed", "train", tmp_path, image_size=8).images.shape == (3, 8, 8, 1)
    assert image_kind("mixed", tmp_path) == (1, 2, None)


def test_other_features_are_left_undecoded(tmp_path):
    features = {
        "image": tfds.features.Image(shape=(2, 2, 1)),
        "label": tfds.features.ClassLabel(num_classes=2),
        "name": tfds.features.Text(),
        "boxes": tfds.features.Tensor(shape=(3,), dtype=np.float32),
    }
    examples = {
        "image": np.full((3, 2, 2, 1), 7, np.uint8),
        "label": np.array([0, 1, 0]),
        "name": np.array(["a", "bc", ""]),
        "boxes": np.zeros((3, 3), np.float32),
    }
    _store(tmp_path, "boxed", features, examples)
    assert load_images("boxed", "train", tmp_path).images.tolist() == examples["image"].tolist()


def test_no_data_dir():
    message = _message("cifar10", "train")
    assert "--data_dir" in message and PREPARE.format("cifar10", "DIR") in message


def test_missing_folder_and_dataset(store):
    message = _message("toys", "train", "no/such/folder")
    assert "--data_dir=no/such/folder is not a folder" in message
    assert PREPARE.format("toys", "no/such/folder") in message
    message = _message("mnist", "train", store)
    assert f"no file {store}/mnist/VERSION/features.json (datasets there: toys)" in message
    assert PREPARE.format("mnist", store) in message
    for name in ("toys:2.0.0", "toys/large", "my data", "../toys"):
        assert f"No prepared dataset '{name}'" in _message(name, "train", store)


@pytest.mark.parametrize("inside", ["toys", "toys/1.0.0"])
def test_data_dir_inside_a_dataset(store, inside):
    message = _message("toys", "train", store / inside)
    assert message.endswith(f"--data_dir={store.resolve()}")


def test_bad_split(store):
    assert "['test', 'train']. Received: split='valid'" in _message("toys", "valid", store)


@pytest.mark.parametrize("file", ["toys-train.tfrecord-00000-of-00001"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_truncated_records(copy, file, share):
    path = copy / "toys/1.0.0" / file
    os.truncate(path, int(path.stat().st_size * share))
    message = _message("toys", "train", copy)
    assert message.startswith(f"Damaged data: dataset 'toys' in {copy}/toys/1.0.0 cannot be read")
    assert PREPARE.format("toys", copy) in message


def test_flipped_and_missing_records(copy):
    path = copy / "toys/1.0.0/toys-train.tfrecord-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    assert "Damaged data" in _message("toys", "train", copy)
    assert len(load_images("toys", "test", copy).images) == 1100
    path.unlink()
    assert "No such file" in _message("toys", "train", copy)


def test_fewer_records_than_announced(copy):
    path = copy / "toys/1.0.0/toys-train.tfrecord-00000-of-00001"
    records = list(tf.data.TFRecordDataset(str(path)).take(700).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    message = _message("toys", "train", copy)
    assert "Damaged data" in message and "700" in message and "1100" in message


@pytest.mark.parametrize("size", [0, 60])
@pytest.mark.parametrize("file", ["features.json", "dataset_info.json"])
def test_damaged_description(copy, file, size):
    os.truncate(copy / "toys/1.0.0" / file, size)
    message = _message("toys", "train", copy)
    assert message.startswith("Damaged data") and PREPARE.format("toys", copy) in message


def test_array_records(tmp_path, examples, store):
    features = {
        "image": tfds.features.Image(shape=(6, 6, 3)),
        "label": tfds.features.ClassLabel(num_classes=4),
    }
    rows = {"train": tf.data.Dataset.from_tensor_slices(examples)}
    checked.store(tmp_path, "toys", features, rows, file_format="array_record")
    got = load_images("toys", "train", tmp_path)
    expected = load_images("toys", "train", store)
    np.testing.assert_array_equal(got.images, expected.images)
    np.testing.assert_array_equal(got.labels, expected.labels)
    larger = load_images("toys", "train", tmp_path, image_size=9).images[:8]
    np.testing.assert_allclose(larger, bilinear(expected.images[:8], 9), atol=1e-3)
    (file,) = (tmp_path / "toys/1.0.0").glob("*.array_record*")
    os.truncate(file, file.stat().st_size // 2)
    assert "Damaged data" in _message("toys", "train", tmp_path)


def test_unlabelled_images(tmp_path, examples):
    pixels = examples["image"][:9]
    # Other features are passed over.
    features = {"image": tfds.features.Image(shape=(6, 6, 3)), "name": tfds.features.Text()}
    names = np.array(list("abcdefghi"))
    _store(tmp_path, "faces", features, {"image": pixels, "name": names})
    assert image_kind("faces", tmp_path) == (3, None, (6, 6))
    got = load_images("faces", "train", tmp_path)
    assert got.num_classes is None and got.class_names is None and not got.labels.any()
    assert sorted(map(bytes, got.images)) == sorted(map(bytes, pixels))
    streamed = stream_images("faces", "test", tmp_path)
    assert streamed.num_classes is None and len(streamed.labels) == 9
    assert tf.io.decode_png(streamed.encoded(0)).shape == (6, 6, 3)


def test_files_that_are_not_read_here(copy, form="riegeli"):
    """No reader of these is installed."""
    folder = copy / "toys/1.0.0"
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace("tfrecord", form))
    for file in list(folder.glob("*.tfrecord-*")):
        file.rename(folder / file.name.replace("tfrecord", form))
    message = _message("toys", "train", copy)
    assert f"as tfrecord. Received: {form} (" in message and "Damaged" not in message


def test_a_folder_that_may_not_be_read_is_not_called_damaged(store, monkeypatch):
    def forbidden(name, data_dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tfds.core.read_only_builder, "builder_from_files", forbidden)
    message = _message("toys", "train", store)
    assert message == f"Dataset 'toys' in {store}/toys cannot be read: permission denied"


def test_not_labelled_images(tmp_path):
    label = tfds.features.ClassLabel(num_classes=2)
    image = tfds.features.Image(shape=(2, 2, 1))
    pixels, labels = np.zeros((3, 2, 2, 1), np.uint8), np.array([0, 1, 0])
    _store(tmp_path, "text", {"text": tfds.features.Text(), "label": label}, {
        "text": np.array(["a", "b", "c"]), "label": labels})  # fmt: skip
    scalar = tfds.features.Scalar(dtype=np.int64)
    _store(tmp_path, "regression", {"image": image, "label": scalar}, {
        "image": pixels, "label": labels})  # fmt: skip
    deep = tfds.features.Image(shape=(2, 2, 1), dtype=np.uint16)
    _store(tmp_path, "deep", {"image": deep, "label": label}, {
        "image": pixels.astype(np.uint16), "label": labels})  # fmt: skip
    _store(tmp_path, "hidden", {"image": image, "label": label}, {
        "image": pixels, "label": labels - 1})  # fmt: skip
    for name in ("text", "regression", "deep"):
        message = _message(name, "train", tmp_path)
        assert "must have the feature 'image' (uint8), and 'label', if it has one" in message
        assert "Received: features=FeaturesDict(" in message
    assert "labels from -1 to 0" in _message("hidden", "train", tmp_path)


def test_real_datasets():
    folder = os.environ.get("TFNORM_TEST_DATA")
    if not folder:
        pytest.skip("TFNORM_TEST_DATA, the folder of real data, is not set")
    test = load_images("cifar10", "test", pathlib.Path(folder) / "tfds")
    assert test.images.shape == (10000, 32, 32, 3) and test.images.dtype == np.uint8
    assert np.bincount(test.labels).tolist() == [1000] * 10
    # The published mean of the training images.
    mean = test.images.mean((0, 1, 2)) / 255
    np.testing.assert_allclose(mean, [0.491, 0.482, 0.447], atol=5e-3)
    digits = load_images("mnist", "test", pathlib.Path(folder) / "tfds", image_size=32)
    assert digits.images.shape == (10000, 32, 32, 1)
    assert np.bincount(digits.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # fmt: skip


def _rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_class_of_a_module_beside_the_images_is_not_imported(copy, monkeypatch):
    """tensorflow-datasets imports what features.json names."""
    monkeypatch.chdir(copy)
    monkeypatch.syspath_prepend(str(copy))
    (copy / "toys" / "hostile.py").write_text("open('ran', 'w')")
    folder = copy / "toys" / "1.0.0"
    _rewrite(
        folder / "features.json",
        '"tensorflow_datasets.core.features.image_feature.Image"',
        '"toys.hostile.Image"',
    )
    said = _message("toys", "train", copy)
    assert said == (
        f"{folder}/features.json is refused: features must be those of tensorflow_datasets. "
        "Received: 'toys.hostile.Image'"
    )
    assert not (copy / "ran").exists()


def test_a_description_leads_to_no_file_outside_its_folder(copy):
    folder = copy / "toys" / "1.0.0"
    _rewrite(folder / "dataset_info.json", "{DATASET}-{SPLIT}", "../../../{DATASET}-{SPLIT}")
    said = _message("toys", "train", copy)
    assert f"Dataset 'toys' in {folder} is refused: its files must be in that folder." in said
