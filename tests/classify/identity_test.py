"""A run knows the images that it began with, and refuses others."""

import dataclasses
import json
import types

import numpy as np
import pytest

from classify.identity import check_data, identity, keep_data
from classify.scalings import Scaling, make_scaling
from harness.datasets import Images
from harness.errors import UserError
from harness.run.directory import RunDirectory


def images(split, labels, num_classes=3):
    pixels = np.zeros((len(labels), 2, 2, 3), np.uint8)
    return Images("numbers", split, pixels, np.array(labels, np.int64), num_classes)


PARTS = types.SimpleNamespace(
    training=images("train", [0, 1, 2, 1]),
    test=images("test", [2, 0]),
    scaling=make_scaling("imagenet"),
)


def with_parts(**changes):
    return types.SimpleNamespace(**vars(PARTS) | changes)


def test_what_identifies_images():
    facts = identity(PARTS)
    assert {name: facts[name] for name in ("num_classes", "train_images", "test_images")} == {
        "num_classes": 3,
        "train_images": 4,
        "test_images": 2,
    }
    # Of the same number in another order.
    other = identity(with_parts(training=images("train", [1, 0, 2, 1])))
    assert {name for name in facts if facts[name] != other[name]} == {"train_labels_crc32"}


def test_the_first_start_keeps_them_and_the_next_compares(tmp_path):
    directory = RunDirectory(tmp_path)
    check_data(directory, PARTS)
    assert list(tmp_path.iterdir()) == []
    keep_data(directory, PARTS)
    assert json.loads((tmp_path / "data.json").read_text()) == identity(PARTS)
    np.testing.assert_array_equal(Scaling.load(tmp_path / "scaling.npz").mean, PARTS.scaling.mean)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    check_data(directory, PARTS)
    keep_data(directory, PARTS)
    others = {
        "train_labels_crc32": {"training": images("train", [1, 0, 2, 1])},
        "test_images: 2 then, 3 now": {"test": images("test", [2, 0, 0])},
        "num_classes: 3 then, 4 now": {
            name: dataclasses.replace(getattr(PARTS, name), num_classes=4)
            for name in ("training", "test")
        },
    }
    for said, changes in others.items():
        with pytest.raises(UserError, match=f"a run on other images .*{said}"):
            check_data(directory, with_parts(**changes))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_one_of_several_processes_writes(tmp_path):
    keep_data(RunDirectory(tmp_path, writes=False), PARTS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"{", b"3", b"", b"\xff"])
@pytest.mark.parametrize("name", ["data.json", "scaling.npz"])
def test_a_damaged_file_is_written_again_and_that_is_said(tmp_path, capsys, name, content):
    directory = RunDirectory(tmp_path)
    keep_data(directory, PARTS)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / name).write_bytes(content)
    check_data(directory, PARTS)
    assert capsys.readouterr().out == ""
    keep_data(directory, PARTS)
    (line,) = capsys.readouterr().out.splitlines()
    assert str(tmp_path / name) in line and "written again" in line
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
