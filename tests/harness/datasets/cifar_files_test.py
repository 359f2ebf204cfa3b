import os
import pickle
import struct
import tarfile
import warnings

import numpy as np
import pytest

from harness.datasets import image_kind, load_images, stream_images
from harness.datasets.plain_pickle import read_pickle
from tests.harness.datasets.checked import bilinear, message

PYTHON = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
BINARY = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}
FILES = {
    "cifar10": {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]},
    "cifar100": {"train": ["train"], "test": ["test"]},
}
CLASSES = {"cifar10": 10, "cifar100": 100}


def python2_pickle(batch):
    """The bytes that Python 2 writes for a dict of an array uint8 (n, k) and lists of integers."""

    def string(text):
        return b"U" + bytes([len(text)]) + text

    def integer(value):
        return b"J" + struct.pack("<i", value)

    content = b"\x80\x02}("
    for key, value in batch.items():
        content += string(key.encode())
        if isinstance(value, list):
            content += b"](" + b"".join(map(integer, value)) + b"e"
        else:
            content += b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
            content += integer(0) + b"\x85" + string(b"b") + b"\x87R"
            content += b"(" + integer(1) + integer(value.shape[0]) + integer(value.shape[1])
            content += b"\x86cnumpy\ndtype\n" + string(b"u1") + integer(0) + integer(1) + b"\x87R"
            content += b"(" + integer(3) + string(b"|") + b"NNN" + integer(-1) * 2 + integer(0)
            content += b"tb\x89T" + struct.pack("<i", value.size) + value.tobytes() + b"tb"
    return content + b"u."


def python3_pickle(batch):
    return pickle.dumps({key.encode(): value for key, value in batch.items()}, protocol=2)


def splits(name, seed=0):
    """Images uint8 (n, 32, 32, 3) and labels of each file of a dataset."""
    random = np.random.default_rng(seed)
    return {
        file: (
            random.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8),
            random.integers(0, CLASSES[name], 3).tolist(),
        )
        for files in FILES[name].values()
        for file in files
    }


def planes(images):
    """Rows (n, 3072): all of red, of green, of blue."""
    return np.stack([np.concatenate([i[..., c].ravel() for c in range(3)]) for i in images])


def write_python(folder, name, data, dumps=python2_pickle):
    folder.mkdir(parents=True)
    for file, (images, labels) in data.items():
        batch = {"batch_label": [1], "data": planes(images)}
        if name == "cifar100":
            batch |= {"coarse_labels": [label // 5 for label in labels], "fine_labels": labels}
        else:
            batch |= {"labels": labels}
        (folder / file).write_bytes(dumps(batch))


def write_binary(folder, name, data):
    folder.mkdir(parents=True)
    for file, (images, labels) in data.items():
        rows = []
        for row, label in zip(planes(images), labels, strict=True):
            coarse = [label // 5] if name == "cifar100" else []
            rows.append(bytes([*coarse, label]) + row.tobytes())
        (folder / f"{file}.bin").write_bytes(b"".join(rows))


def check(name, data, data_dir):
    for split, files in FILES[name].items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy's, of what Python 2 wrote
            got = load_images(name, split, data_dir)
        assert (got.name, got.split, got.num_classes) == (name, split, CLASSES[name])
        assert got.images.dtype == np.uint8 and got.labels.dtype == np.int64
        expected = np.concatenate([data[file][0] for file in files])
        np.testing.assert_array_equal(got.images, expected)
        assert got.labels.tolist() == sum((data[file][1] for file in files), [])
        resized = load_images(name, split, data_dir, image_size=20)
        assert resized.images.dtype == np.float32
        np.testing.assert_allclose(resized.images, bilinear(expected, 20), atol=1e-3)
    assert image_kind(name, data_dir) == (3, CLASSES[name], (32, 32))


@pytest.mark.parametrize("dumps", [python2_pickle, python3_pickle, pickle.dumps])
@pytest.mark.parametrize("name", PYTHON)
def test_python_batches(tmp_path, name, dumps):
    data = splits(name)
    write_python(tmp_path / PYTHON[name], name, data, dumps)
    check(name, data, tmp_path)
    check(name, data, tmp_path / PYTHON[name])


def python5_pickle(batch):
    """As `pickle.dumps` writes arrays from protocol 5 on, in both orders."""
    batch = {
        key: np.asfortranarray(value) if key == "data" else value for key, value in batch.items()
    }
    return pickle.dumps(batch, protocol=5)


@pytest.mark.parametrize("dumps", [python5_pickle, lambda batch: pickle.dumps(batch, protocol=5)])
def test_protocol_5(tmp_path, dumps):
    data = splits("cifar10")
    write_python(tmp_path / PYTHON["cifar10"], "cifar10", data, dumps)
    check("cifar10", data, tmp_path)


@pytest.mark.parametrize("name", PYTHON)
@pytest.mark.parametrize("names, write", [(PYTHON, write_python), (BINARY, write_binary)])
def test_archives_as_they_are_downloaded(tmp_path, name, names, write):
    data = splits(name)
    write(tmp_path / "made" / names[name], name, data)
    archive = (
        f"{names[name].replace('-batches-py', '-python').replace('-batches-bin', '-binary')}.tar.gz"
    )
    (tmp_path / "there").mkdir()
    with tarfile.open(tmp_path / "there" / archive, "w:gz") as packed:
        packed.add(tmp_path / "made" / names[name], names[name])
    check(name, data, tmp_path / "there")
    check(name, data, tmp_path / "there" / archive)
    assert [path.name for path in (tmp_path / "there").iterdir()] == [archive]
    os.truncate(tmp_path / "there" / archive, 9_000)
    text = message(load_images, name, "train", tmp_path / "there")
    assert text.startswith("Damaged data: ") and archive in text


def test_a_bit_that_changed_in_an_archive_is_told(tmp_path):
    images = (np.arange(2 * 3072) % 251).astype(np.uint8).reshape(2, 32, 32, 3)
    data = {file: (images, [1, 2]) for file in FILES["cifar10"]["train"]}
    write_binary(tmp_path / "made", "cifar10", data)
    archive = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tmp_path / "made", BINARY["cifar10"])
    whole = archive.read_bytes()
    for place in range(40, len(whole), len(whole) // 60):  # behind the time and the name
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        archive.write_bytes(content)
        text = message(load_images, "cifar10", "train", tmp_path)
        assert text.startswith(f"Damaged data: {archive} cannot be read as a .tar.gz"), place


def test_strings_of_python_2_are_bytes(tmp_path):
    (tmp_path / "batch").write_bytes(python2_pickle({"labels": [1]}))
    assert read_pickle(tmp_path / "batch") == {b"labels": [1]}


@pytest.mark.parametrize("name", BINARY)
def test_binary(tmp_path, name):
    data = splits(name)
    write_binary(tmp_path / BINARY[name], name, data)
    check(name, data, tmp_path)
    check(name, data, tmp_path / BINARY[name])


def test_the_folder_of_the_archive_comes_first(tmp_path):
    data = {folder: splits("cifar10", seed) for seed, folder in enumerate(["apart", "inside"])}
    write_binary(tmp_path / "apart", "cifar10", data["apart"])
    write_binary(tmp_path / "apart/cifar-10-batches-bin", "cifar10", data["inside"])
    check("cifar10", data["inside"], tmp_path / "apart")


class Malicious:
    def __init__(self, call, *args):
        self.reduced = (call, args)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (os.system, f"{os.system.__module__}.system"),
        (eval, "builtins.eval"),
        (np.load, "numpy.load"),
    ],
)
def test_a_pickle_that_calls_is_refused_and_not_run(tmp_path, call, named):
    mark = tmp_path / "run"
    (tmp_path / "data_batch_1").touch()
    for argument in (f"touch {mark}", f"open({str(mark)!r}, 'w')"):
        batch = {"data": Malicious(call, argument), "labels": [0]}
        (tmp_path / "test_batch").write_bytes(pickle.dumps(batch))
        text = message(load_images, "cifar10", "test", tmp_path)
        assert f"{tmp_path}/test_batch is refused" in text
        assert f"Received: the global {named}." in text
    assert not mark.exists()


def test_an_attribute_of_what_is_allowed_is_refused(tmp_path):
    # STACK_GLOBAL follows dots: numpy, then ndarray.tofile
    content = b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    (tmp_path / "test_batch").write_bytes(content)
    text = message(load_images, "cifar10", "test", tmp_path)
    assert "Received: the global numpy.ndarray.tofile" in text


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("write", [write_python, write_binary])
def test_truncated(tmp_path, write, share):
    write(tmp_path / "files", "cifar10", splits("cifar10"))
    (path,) = (tmp_path / "files").glob("data_batch_3*")
    os.truncate(path, int(path.stat().st_size * share))
    text = message(load_images, "cifar10", "train", tmp_path / "files")
    assert str(path) in text and "Received: " in text
    assert len(load_images("cifar10", "test", tmp_path / "files").labels) == 3


def test_a_file_that_lacks_whole_records(tmp_path):
    write_binary(tmp_path / "files", "cifar10", splits("cifar10"))
    os.truncate(tmp_path / "files/data_batch_5.bin", 2 * 3073)
    text = message(load_images, "cifar10", "train", tmp_path / "files")
    assert "must have equally many images. Received: [3, 3, 3, 3, 2]" in text


def test_missing_file(tmp_path):
    write_binary(tmp_path / "cifar-10-batches-bin", "cifar10", splits("cifar10"))
    (tmp_path / "cifar-10-batches-bin/data_batch_2.bin").unlink()
    text = message(load_images, "cifar10", "train", tmp_path)
    assert "Received: no data_batch_2.bin" in text and "cifar-10-batches-bin" in text


@pytest.mark.parametrize(
    ("batch", "received"),
    [
        ([1], "Received: list"),
        ({"data": [1]}, "Received: keys ['data']"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}, "Received: 2 images, 1 labels"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": [10]}, "labels from 10 to 10"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": [-1]}, "labels from -1 to -1"),
        ({"data": np.zeros((0, 3072), np.uint8), "labels": []}, "Received: 0 images"),
        ({"data": np.zeros((1, 3072)), "labels": [1]}, "Received: float64 (1, 3072)"),
        ({"data": np.zeros((1, 3), np.uint8), "labels": [1]}, "Received: uint8 (1, 3)"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": [0.5]}, "and float64 (1,)"),
        ({"data": np.zeros((1, 3072), np.uint8), "labels": [[1], []]}, "inhomogeneous"),
    ],
)
def test_other_contents(tmp_path, batch, received):
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch))
    text = message(load_images, "cifar10", "test", tmp_path)
    assert received in text and str(tmp_path / "test_batch") in text


def test_mistakes(tmp_path):
    text = message(load_images, "cifar10", "train", tmp_path)
    assert "nor its official files (cifar-10-batches-py/ or cifar-10-python.tar.gz or" in text
    text = message(load_images, "cifar100", "train")
    assert "(cifar-100-python/ or cifar-100-python.tar.gz or " in text and "--data_dir" in text
    write_binary(tmp_path / "files", "cifar10", splits("cifar10"))
    text = message(load_images, "cifar10", "validation", tmp_path / "files")
    assert "has the splits ['test', 'train']. Received: split='validation'" in text
    text = message(stream_images, "cifar10", "train", tmp_path / "files")
    assert "Received: dataset='cifar10', which is read into memory" in text
    # The files of the one dataset are not those of the other.
    assert "No prepared dataset 'cifar100'" in message(image_kind, "cifar100", tmp_path / "files")
