"""Files and directories that are whole or not there, with nothing left beside them."""

import os
import shutil
import subprocess
import tempfile

import pytest
import tensorflow as tf

from harness.errors import UserError
from harness.files import plain_name, whole_directory, write_whole
from tests.file_names import NAMES, PLAIN


def test_a_directory_is_there_as_a_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), whole_directory(tmp_path / "model", 9) as aside:
        (aside / "half").write_text("")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    for content in "ab":
        with whole_directory(tmp_path / "model", 9) as aside:
            (aside / content).write_text(content)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["b"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_directory_is_there_until_the_next_is_whole(tmp_path, monkeypatch, can_exchange):
    path, seen = tmp_path / "model", []

    def look(removed, **_):
        seen.append((path / "file").read_text())
        delete(removed)

    delete = shutil.rmtree
    monkeypatch.setattr("shutil.rmtree", look)
    if not can_exchange:
        monkeypatch.setattr("harness.files._exchange", lambda *_: False)
    for content in "ab":
        with whole_directory(path, 9) as aside:
            (aside / "file").write_text(content)
    assert seen == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_leaves_nothing_beside_it(tmp_path):
    write_whole(tmp_path / "f", "a")
    write_whole(tmp_path / "f", b"b")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("f", "b")]


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path, small_files):
    write_whole(tmp_path / "f", "old")
    with small_files(4000), pytest.raises(UserError) as raised:
        write_whole(tmp_path / "f", "new" * 2000)
    said = f"{tmp_path / 'f'} cannot be written: File too large. It takes about 6,000 bytes."
    assert str(raised.value) == said
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("f", "old")]


@pytest.mark.parametrize("name", NAMES)
def test_tensorflow_writes_to_a_full_disk_and_is_told_so(tmp_path, small_files, name):
    (tmp_path / name).mkdir()
    with (
        small_files(4000),
        pytest.raises(
            UserError, match=r"model cannot be written: File too large\. It takes about 9"
        ),
        whole_directory(tmp_path / name / "model", 9) as aside,
    ):
        tf.train.Checkpoint(x=tf.Variable(tf.zeros([5000]))).write(str(aside / "x"))
    assert list((tmp_path / name).iterdir()) == []


def test_another_error_is_not_the_disks(tmp_path):
    with pytest.raises(ValueError, match="mine"), whole_directory(tmp_path / "model", 9):
        raise ValueError("mine")


def test_what_a_dead_process_left_of_a_file_goes_when_that_is_written(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in (f".tfnorm-{dead.pid}.a[b]", f".tfnorm-{dead.pid}.a[b].before"):
        (tmp_path / name).mkdir()
    others = {f".tfnorm-{dead.pid}.ab", f".tfnorm-{os.getppid()}.a[b]", f".tfnorm-{dead.pid}x.a[b]"}
    others |= {f".{dead.pid}.a[b]", f".a[b].{dead.pid}"}  # which anybody's file may be called
    for name in others:
        (tmp_path / name).touch()
    write_whole(tmp_path / "a[b]", "c")
    assert {path.name for path in tmp_path.iterdir()} == {"a[b]", *others}


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_name_leads_to_the_file(tmp_path, name):
    (tmp_path / name).write_text("a")
    with plain_name(tmp_path / name) as plain:
        assert tf.io.gfile.glob(plain) == [plain]
        assert tf.io.read_file(plain) == b"a"
        assert (plain == str(tmp_path / name)) == (name in PLAIN)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_plain_name_is_plain_where_temporary_files_are_not(tmp_path, monkeypatch):
    (tmp_path / "[t]").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "[t]"))
    with plain_name(tmp_path / "[t]") as plain:
        assert tf.io.gfile.glob(plain) == [plain]


def test_text_that_is_not_utf_8_is_written(tmp_path):
    write_whole(tmp_path / "f", "a\udcff Fréchet")
    assert (tmp_path / "f").read_bytes() == b"a\\udcff Fr\xc3\xa9chet"
