"""A run knows the images that it began with, and refuses others."""

import dataclasses
import json
import types

import numpy as np
import pytest

from classify.identity import SUBSETS, by_names, facts, keep_scaling, known_classes, subset_of
from classify.scalings import Scaling, make_scaling
from harness import sealed
from harness.datasets import Images
from harness.errors import UserError
from harness.run.directory import RunDirectory
from harness.run.identity import check_data, keep_data, kept


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


def identity(parts):
    return facts(parts, "random")


def test_what_identifies_images():
    known = identity(PARTS)
    assert {name: known[name] for name in ("num_classes", "train_images", "test_images")} == {
        "num_classes": "3",
        "train_images": "4",
        "test_images": "2",
    }
    assert all(isinstance(value, str) for value in known.values())
    # Of the same number in another order.
    other = identity(with_parts(training=images("train", [1, 0, 2, 1])))
    assert {name for name in known if known[name] != other[name]} == {"train_labels_crc32"}
    pixels = np.zeros((4, 2, 2, 3), np.uint8)
    pixels[3, 1, 1, 2] = 1
    other = identity(with_parts(training=dataclasses.replace(PARTS.training, images=pixels)))
    assert {name for name in known if known[name] != other[name]} == {"train_fingerprint"}


def test_the_first_start_keeps_them_and_the_next_compares(tmp_path):
    directory = RunDirectory(tmp_path)
    check_data(directory, identity(PARTS))
    assert list(tmp_path.iterdir()) == []
    keep_data(directory, identity(PARTS))
    assert sealed.read(tmp_path / "data.json") == identity(PARTS)
    before = (tmp_path / "data.json").read_bytes()
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
            check_data(directory, identity(with_parts(**changes)))
    check_data(directory, identity(PARTS))
    keep_data(directory, identity(PARTS))
    assert (tmp_path / "data.json").read_bytes() == before


def named(split, labels, names):
    return dataclasses.replace(images(split, labels, len(names)), class_names=tuple(names))


def test_other_classes_are_refused(tmp_path):
    directory = RunDirectory(tmp_path)
    pair = {"training": named("train", [0, 1], "ab"), "test": named("test", [1], "ab")}
    keep_data(directory, identity(with_parts(**pair)))
    pair = {"training": named("train", [0, 1], "ac"), "test": named("test", [1], "ac")}
    with pytest.raises(UserError, match='classes: .*"a", "b".* then, .*"a", "c".* now'):
        check_data(directory, identity(with_parts(**pair)))
    assert known_classes(tmp_path / "model", directory) == ["a", "b"]


def test_a_run_of_an_earlier_version_goes_on(tmp_path):
    """It kept numbers, of fewer things, and took the first images."""
    directory = RunDirectory(tmp_path)
    assert subset_of(None) == subset_of(directory) == "random"
    old = {"num_classes": 3, "train_images": 4, "test_images": 2}
    (tmp_path / "data.json").write_text(json.dumps(old))
    assert subset_of(directory) == "first"
    assert SUBSETS["first"](PARTS.training, 2, 5).labels.tolist() == [0, 1]
    now = facts(PARTS, "first")
    check_data(directory, now)
    keep_data(directory, now)
    assert sealed.read(tmp_path / "data.json").keys() == now.keys()
    assert subset_of(directory) == "first"
    with pytest.raises(UserError, match="train_images: 4 then, 3 now"):
        check_data(directory, facts(with_parts(training=images("train", [0, 1, 2])), "first"))


def test_classes_are_those_of_their_names():
    some = named("test", [0, 2, 1, 2], ["cat", "dog", "eel"])
    known = ["ant", "eel", "dog", "cat"]
    mapped = by_names(some, known)
    assert mapped.labels.tolist() == [3, 1, 2, 1] and mapped.num_classes == 4
    assert by_names(some, None) is some and by_names(some, list(some.class_names)) is some
    with pytest.raises(UserError, match="test must be among .*ant, dog. Received: cat, eel$"):
        by_names(some, ["ant", "dog"])
    # What no image is of does not count.
    few = named("test", [0, 0], ["cat", "dog", "eel"])
    assert by_names(few, ["ant", "cat"]).labels.tolist() == [1, 1]


def test_one_of_several_processes_writes(tmp_path):
    directory = RunDirectory(tmp_path, writes=False)
    keep_data(directory, identity(PARTS))
    keep_scaling(directory, PARTS)
    assert not list(tmp_path.iterdir())


def test_what_is_damaged_is_not_taken_for_what_was_kept(tmp_path):
    """Whichever bit flips; of an earlier version, without a checksum, what cannot be so."""
    directory, file = RunDirectory(tmp_path), tmp_path / "data.json"
    pair = {"training": named("train", [0, 1], "ab"), "test": named("test", [1], "ab")}
    keep_data(directory, facts(with_parts(**pair), "random"))
    known, content = kept(directory), file.read_bytes()
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        file.write_bytes(flipped)
        # What flips in the checksum's own name hides it, and nothing else.
        found = kept(directory)
        assert found is None or known.items() <= found.items(), bytes(flipped)
    file.write_bytes(content.replace(b"random", b"randol"))
    assert subset_of(directory) == "random"
    with pytest.raises(UserError, match="data.json is damaged, and does not tell the names"):
        known_classes(tmp_path / "model", directory)
    file.write_text(json.dumps({"classes": '["a", "b"', "train_subset": "randol"}))
    assert subset_of(directory) == "random"
    with pytest.raises(UserError, match="data.json is damaged, and does not tell the names"):
        known_classes(tmp_path / "model", directory)


def test_what_is_gone_of_a_run_that_goes_on_is_told(tmp_path, capsys):
    directory = RunDirectory(tmp_path)
    keep_data(directory, identity(PARTS), goes_on=False)
    keep_data(directory, identity(PARTS), goes_on=True)
    assert capsys.readouterr().out == ""
    (tmp_path / "data.json").unlink()
    keep_data(directory, identity(PARTS), goes_on=True)
    assert capsys.readouterr().out == (
        f"{tmp_path}/data.json is not there, and written again. Whether the images are those "
        "that the run began with is not known.\n"
    )


@pytest.mark.parametrize("content", [b"{", b"3", b"", b"\xff"])
@pytest.mark.parametrize("name", ["data.json", "scaling.npz"])
def test_a_damaged_file_is_written_again_and_that_is_said(tmp_path, capsys, name, content):
    directory = RunDirectory(tmp_path)

    def keep():
        keep_scaling(directory, PARTS)
        keep_data(directory, identity(PARTS))

    keep()
    np.testing.assert_array_equal(Scaling.load(tmp_path / "scaling.npz").mean, PARTS.scaling.mean)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / name).write_bytes(content)
    check_data(directory, identity(PARTS))
    assert capsys.readouterr().out == ""
    keep()
    (line,) = capsys.readouterr().out.splitlines()
    assert str(tmp_path / name) in line and "written again" in line
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
