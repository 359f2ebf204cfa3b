"""Checkpoints: the newest whole one is used, and names of folders are names."""

import os
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf

from harness.errors import UserError
from harness.run.checkpoints import Checkpoints, damage, steps
from harness.run.directory import RunDirectory

NOTHING = types.SimpleNamespace(flush=lambda: None, content=lambda: b"rows")


def make(path, value=None, keep=2, size=1000):
    """The checkpoints of a run whose state is a vector of one number."""
    vector = tf.Variable(tf.zeros([size]))
    checkpoints = Checkpoints(RunDirectory(path), NOTHING, NOTHING, keep, vector=vector)
    checkpoints.vector = vector
    return checkpoints


def save(checkpoints, *some):
    for step in some:
        checkpoints.vector.assign(tf.fill(checkpoints.vector.shape, float(step)))
        checkpoints(step)


def restored(path):
    """The step that a run goes back to; what is in its state must be of that."""
    checkpoints = make(path)
    step = checkpoints.restore()
    np.testing.assert_array_equal(checkpoints.vector, np.full(1000, step))
    return step


def files(path):
    return {file.name: file.read_bytes() for file in (path / "checkpoints").iterdir()}


NAMES = [
    "seed[1]",
    "a*",
    "what?",
    "back\\slash",
    "{1}",
    "50%25",
    "~x",
    "two words",
    "ünï",
    "nu\udcff",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_has_any_name_and_its_neighbours_are_left_alone(tmp_path, name):
    neighbours = [tmp_path / other for other in ("seed1", "ab", "whats", "backslash")]
    for neighbour in neighbours:
        save(make(neighbour), 3, 4)
    before = [files(neighbour) for neighbour in neighbours]
    save(make(tmp_path / name), 1, 2, 3)
    assert steps(tmp_path / name / "checkpoints") == [2, 3]
    assert restored(tmp_path / name) == 3
    assert [files(neighbour) for neighbour in neighbours] == before


def test_a_relative_path_and_one_with_a_slash_at_its_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(make("run[1]/"), 1)
    assert restored("run[1]") == restored(tmp_path / "run[1]") == 1


def flip(path):
    """Flips a bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def halve(path):
    os.truncate(path, path.stat().st_size // 2)


HARMS = {
    "flipped": flip,
    "halved": halve,
    "empty": lambda path: path.write_bytes(b""),
    "gone": pathlib.Path.unlink,
    "garbage": lambda path: path.write_bytes(b"\xff\x00" * 40),
}
PARTS = ("index", "data-00000-of-00001")


@pytest.mark.parametrize("with_sums", [True, False], ids=["sums", "before"])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("harm", HARMS)
def test_the_newest_whole_one_is_used_and_the_other_is_named(
    tmp_path, capsys, harm, part, with_sums
):
    save(make(tmp_path), 4, 8)
    if not with_sums:  # as in a run from before there were any
        for step in (4, 8):
            (tmp_path / "checkpoints" / f"ckpt-{step}.sha256").unlink()
    assert restored(tmp_path) == 8
    assert capsys.readouterr().out == ""
    HARMS[harm](tmp_path / "checkpoints" / f"ckpt-8.{part}")
    left = files(tmp_path)
    assert restored(tmp_path) == 4
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Going back to ckpt-4, as what is newer is not whole: ckpt-8 (")
    assert files(tmp_path) == left


def test_a_run_without_a_whole_one_does_not_begin_anew(tmp_path):
    save(make(tmp_path), 4, 8)
    for step in (4, 8):
        flip(tmp_path / "checkpoints" / f"ckpt-{step}.data-00000-of-00001")
    left = files(tmp_path)
    with pytest.raises(UserError, match=r"ckpt-8 \(.*not what was written\), ckpt-4 \(") as raised:
        make(tmp_path).restore()
    assert "elete" not in str(raised.value)
    assert files(tmp_path) == left
    for name in left.keys() - {"checkpoint"}:
        (tmp_path / "checkpoints" / name).unlink()
    with pytest.raises(UserError, match="are gone"):
        make(tmp_path).restore()


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b'model_checkpoint_path: "ckpt-3"', None])
def test_the_list_of_checkpoints_is_for_others(tmp_path, content):
    save(make(tmp_path), 4, 8)
    state = tmp_path / "checkpoints" / "checkpoint"
    assert tf.train.latest_checkpoint(state.parent) == str(state.with_name("ckpt-8"))
    state.unlink() if content is None else state.write_bytes(content)
    assert restored(tmp_path) == 8


def test_checksums_that_are_none_are_as_good_as_none(tmp_path):
    save(make(tmp_path), 4, 8)
    for content in ("", "\0", "12  ckpt-8.index"):
        (tmp_path / "checkpoints" / "ckpt-8.sha256").write_text(content)
        assert restored(tmp_path) == 8
    flip(tmp_path / "checkpoints" / "ckpt-8.data-00000-of-00001")
    assert restored(tmp_path) == 4


def test_one_that_tensorflows_manager_wrote_is_read(tmp_path):
    """As runs did before."""
    vector, step = tf.Variable(tf.fill([1000], 7.0)), tf.Variable(7, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(step=step, vector=vector)
    manager = tf.train.CheckpointManager(checkpoint, str(tmp_path / "checkpoints"), 2)
    manager.save(checkpoint_number=7)
    assert restored(tmp_path) == 7
    checkpoints = make(tmp_path)
    checkpoints.restore()
    save(checkpoints, 8, 9)
    assert steps(tmp_path / "checkpoints") == [8, 9]


def test_one_that_is_not_whole_does_not_count_and_goes_when_its_step_is_past(tmp_path):
    save(make(tmp_path), 4, 8)
    halve(tmp_path / "checkpoints" / "ckpt-8.index")
    checkpoints = make(tmp_path)
    assert checkpoints.restore() == 4
    save(checkpoints, 6)
    assert steps(tmp_path / "checkpoints") == [4, 6, 8]
    save(checkpoints, 9)
    assert steps(tmp_path / "checkpoints") == [6, 9]


def test_what_was_being_written_is_no_checkpoint_and_is_swept_up(tmp_path):
    save(make(tmp_path), 4)
    folder = tmp_path / "checkpoints"
    (folder / "ckpt-8_temp").mkdir()
    (folder / "ckpt-8_temp" / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"1")
    (folder / "ckpt-8.data-00000-of-00001").write_bytes(b"1")
    assert damage(folder, 8) == "ckpt-8.index is missing"
    assert restored(tmp_path) == 4
    assert not (folder / "ckpt-8_temp").exists()


def test_one_of_other_networks_is_refused_and_stays(tmp_path):
    save(make(tmp_path), 4)
    left = files(tmp_path)
    with pytest.raises(UserError, match="ckpt-4 is whole, and cannot be read into"):
        make(tmp_path, size=7).restore()
    assert files(tmp_path) == left


def test_a_disk_that_is_full_leaves_the_last_one_and_nothing_beside_it(tmp_path, small_files):
    checkpoints = make(tmp_path, keep=1)
    said = r"ckpt-8 cannot be .*too large. It takes about 4,000 bytes"
    with small_files(2000), pytest.raises(UserError, match=said):
        save(checkpoints, 8)
    assert steps(tmp_path / "checkpoints") == []
    save(checkpoints, 4)
    left = files(tmp_path)
    with small_files(2000), pytest.raises(UserError, match=said):
        save(checkpoints, 8)
    assert files(tmp_path) == left
    save(checkpoints, 8)
    assert steps(tmp_path / "checkpoints") == [8] and restored(tmp_path) == 8
