"""What a program is told to write takes the place of nothing but what it wrote itself."""

import json
import os
import re
import socket

import pytest

from harness.errors import UserError
from harness.files import write_whole
from harness.outputs import check_directory, check_file, check_replaced, through_links


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a run, a SavedModel, an input and links to them."""
    monkeypatch.chdir(tmp_path)
    for name in ("run/generator", "old/samples", "saved/variables", "other/samples", "images"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "run/.config.json").write_text("{}")
    (tmp_path / "old/config.json").write_text(json.dumps({"dataset": "digits"}))
    (tmp_path / "other/config.json").write_text("{}")
    for name in ("saved/saved_model.pb", "images/1.png", "images/old.json", "a.npz", "old.json"):
        (tmp_path / name).write_text("")
    (tmp_path / "to_run").symlink_to("run")
    (tmp_path / "to_metrics.json").symlink_to("run/metrics.jsonl")
    (tmp_path / "to_a.npz").symlink_to("a.npz")
    os.link("a.npz", "too_a.npz")
    return tmp_path


def refused(check, path, said, **inputs):
    with pytest.raises(UserError, match=f"^--out must be a .*Received: out={path}, .*{said}"):
        check("out", path, inputs)


def test_what_is_no_file_is_not_replaced(folder):
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    (folder / "to_fifo").symlink_to("fifo")
    kinds = {"fifo": "a FIFO", "to_fifo": "a FIFO", "socket": "a socket", "/dev/null": "a device"}
    for path, kind in kinds.items():
        refused(check_file, path, f"which is {kind}$")
        refused(check_directory, path, "which is no directory$")


def test_where_a_shell_sends_what_is_printed_no_other_file_comes(folder):
    before = os.dup(1)
    try:
        with open("a.npz", "a") as file:
            os.dup2(file.fileno(), 1)
        for path in ("a.npz", "/dev/stdout"):
            refused(check_file, path, "which has what is printed$")
    finally:
        os.dup2(before, 1)
        os.close(before)


def test_a_link_stays_and_what_it_leads_to_is_written(folder):
    (folder / "link.json").symlink_to("deep/there.json")
    for content in "ab":
        write_whole(check_file("out", "link.json"), content)
        assert (folder / "link.json").is_symlink()
        assert (folder / "deep/there.json").read_text() == content
    assert str(check_file("out", "old.json")) == "old.json"
    (folder / "deep/loop").symlink_to("loop")
    with pytest.raises(UserError, match="out=deep/loop: Too many levels of symbolic links$"):
        check_file("out", "deep/loop")


@pytest.mark.parametrize(
    "path",
    [
        *("run/config.json", "run/.config.json", "run/data.json", "run/metrics.jsonl"),
        *("run/best.keras", "run/generator/x.json", "run/checkpoints/x", "run/model-30/x"),
        *("to_run/metrics.jsonl", "to_metrics.json", "run/../run/data.json", "old/samples/x"),
        *("saved/saved_model.pb", "saved/variables/x.json", "saved/fingerprint.pb"),
    ],
)
def test_the_names_of_a_run_and_of_a_saved_model_are_theirs(folder, path):
    refused(check_file, path, "is a part of the (run|SavedModel) there$")


def test_a_directory_of_a_run_is_its_own(folder):
    for path in ("run/generator", "run/model", "to_run/samples", "old/checkpoints/new"):
        refused(check_directory, path, "is a part of the run there$")
    for path in ("run", "run/more", "other/samples", "saved", "to_run", "new/generator"):
        check_directory("out", path)


def test_what_lies_beside_them_may_be_written(folder):
    for path in (
        *("run/evaluation.json", "run/evaluation_best.json", "to_run/fid.json", "run/grid.png"),
        *("other/samples/x", "saved/evaluation.json", "new/metrics.jsonl"),
    ):
        check_file("out", path)


def test_an_input_is_not_replaced(folder):
    inputs = {"data_dir": "a.npz", "dataset": None, "reference": "digits:test"}
    for path in ("a.npz", "./a.npz", "to_a.npz", "too_a.npz", str(folder / "a.npz")):
        refused(check_file, path, "which is of --data_dir=a.npz: give another$", **inputs)
    refused(check_file, "b.npz", "which is of --save=./b.npz", save="./b.npz")
    refused(check_file, "images/1.png", "which is of --data_dir=images", data_dir="images")
    refused(check_directory, "images", "which is of --data_dir=images", data_dir="images")
    for path in ("old.json", "images/old.json", "images/new.txt", "b.npz"):
        check_file("out", path, {"reference": "images"} | inputs)


def test_a_directory_is_replaced_if_nothing_else_is_in_it(folder, monkeypatch):
    own = re.compile("variables(/x)?|saved_model.pb").fullmatch
    check_replaced("Rule", "new", own)
    check_replaced("Rule", "saved", own)
    (folder / "saved/variables/x").touch()
    check_replaced("Rule", "saved", own)
    (folder / "saved/variables/notes.txt").touch()
    (folder / "saved/empty").mkdir()
    with pytest.raises(UserError, match="^Rule, which has empty, variables/notes.txt$"):
        check_replaced("Rule", "saved", own)
    monkeypatch.chdir(folder / "saved/variables")
    for path in (".", "..", folder / "saved"):
        with pytest.raises(UserError, match="^Rule, where the program was started"):
            check_replaced("Rule", path, own)


def test_a_path_has_a_name(folder):
    assert through_links("saved/variables/..") == folder / "saved"
    assert through_links("to_run") == through_links("to_run/") == folder / "run"
    assert str(through_links("run/")) == "run"
