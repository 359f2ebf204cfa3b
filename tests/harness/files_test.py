"""Files and directories that are whole or not there, with nothing left beside them."""

import errno
import pathlib

import pytest

from harness.files import whole_directory, write_whole


def test_a_directory_is_there_as_a_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), whole_directory(tmp_path / "model") as aside:
        (aside / "half").write_text("")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    for content in "ab":
        with whole_directory(tmp_path / "model") as aside:
            (aside / content).write_text(content)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["b"]


def test_a_written_file_leaves_nothing_beside_it(tmp_path):
    write_whole(tmp_path / "f", "a")
    write_whole(tmp_path / "f", b"b")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("f", "b")]


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    write_whole(tmp_path / "f", "old")

    def full(path, data):
        with open(path, "wb") as file:
            file.write(data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "f", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("f", "old")]
