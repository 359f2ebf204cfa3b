"""The directory of a run: refusals, and a history without gaps or repeats."""

import json
import os
import pathlib

import pytest

from harness.errors import UserError
from harness.run.directory import History, RunDirectory

CONFIG = {"steps": 10, "log_every": 2}


def test_a_new_directory_gets_the_configuration(tmp_path):
    run = RunDirectory(tmp_path / "a" / "b")
    run.begin(CONFIG)
    assert json.loads((tmp_path / "a" / "b" / "config.json").read_text()) == CONFIG
    assert run.config() == CONFIG


def test_another_configuration_is_refused_with_the_difference(tmp_path):
    RunDirectory(tmp_path).begin(CONFIG)
    with pytest.raises(UserError, match="steps: 10 there, 20 now"):
        RunDirectory(tmp_path).begin(CONFIG | {"steps": 20}, free=["log_every"])
    assert RunDirectory(tmp_path).config() == CONFIG


def test_a_free_key_may_change(tmp_path):
    RunDirectory(tmp_path).begin(CONFIG)
    RunDirectory(tmp_path).begin(CONFIG | {"log_every": 5}, free=["log_every"])
    assert RunDirectory(tmp_path).config()["log_every"] == 5


def test_a_key_that_one_side_does_not_have_is_a_difference(tmp_path):
    RunDirectory(tmp_path).begin(CONFIG)
    with pytest.raises(UserError, match="seed: None there, 1 now"):
        RunDirectory(tmp_path).check(CONFIG | {"seed": 1})
    with pytest.raises(UserError, match="log_every: 2 there, None now"):
        RunDirectory(tmp_path).check({"steps": 10})


def test_a_directory_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="not empty"):
        RunDirectory(tmp_path).begin(CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", [".notes.2024", ".2026.plan", ".checkpoints.2026"])
def test_a_users_hidden_file_is_something_else(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        RunDirectory(tmp_path).begin(CONFIG)


@pytest.mark.parametrize("name", [".tfnorm-7.config.json", ".7..config.json", ".config.json.7"])
def test_what_a_killed_process_left_before_it_began_is_nothing(tmp_path, name):
    (tmp_path / name).write_text("{")
    RunDirectory(tmp_path).begin(CONFIG)
    assert RunDirectory(tmp_path).config() == CONFIG


def test_a_file_and_a_damaged_configuration_are_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match="not empty|cannot be used"):
        RunDirectory(file).begin(CONFIG)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"steps": ')
    with pytest.raises(UserError, match="damaged"):
        RunDirectory(tmp_path / "run").check(CONFIG)


def test_another_than_the_chief_writes_nothing(tmp_path):
    run = RunDirectory(tmp_path / "run", writes=False)
    run.begin(CONFIG)
    history = History(run)
    history.record(1, {"loss": 1.0})
    history.flush()
    history.truncate(0)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def history(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.begin(CONFIG)
    return History(run)


def test_what_is_recorded_of_a_step_is_one_row(history):
    history.record(1, {"loss": 1.0})
    history.record(1, {"distance": 2.0})
    history.record(2, {"loss": 3.0})
    history.flush()
    history.flush()
    assert history.rows() == [
        {"step": 1, "loss": 1.0, "distance": 2.0},
        {"step": 2, "loss": 3.0},
    ]


def test_a_run_that_goes_on_forgets_what_came_after_its_checkpoint(history):
    for step in range(1, 6):
        history.record(step, {"loss": float(step)})
    history.flush()
    with open(history.path, "a") as file:
        file.write('{"step": 6, "lo')  # killed while it wrote
    history.truncate(3)
    history.record(4, {"loss": 4.0})
    history.flush()
    assert [row["step"] for row in history.rows()] == [1, 2, 3, 4]


def test_a_row_has_its_step_first_and_the_last_of_what_was_recorded(history):
    history.record(1, {"loss": 1.0, "distance": 5.0})
    history.record(1, {"loss": 2.0, "score": 3.0})
    history.flush()
    (line,) = history.path.read_text().splitlines()
    assert line == '{"step": 1, "loss": 2.0, "distance": 5.0, "score": 3.0}'


def test_lines_that_are_no_rows_are_put_aside_and_the_others_are_history(history, capsys):
    """None of it is dropped in silence."""
    bad = [b'{"step": 2, "lo', b"\xff\xfe", b'{"loss": 1.0}', b"[3]", b'{"step": "4"}', b""]
    bad += [b"null", b'{"step": 1, "loss": 9.0}', b"[" * 100_000, b'{"step": true}']
    good = [b'{"step": 1, "loss": 1.0}', b'{"step": 3, "loss": 3.0}', b'{"step": 5, "loss": 5.0}']
    cut_off = b'{"step": 6, "lo'
    history.path.write_bytes(b"\n".join([good[0], *bad, good[1], good[2], cut_off]))
    assert [row["step"] for row in history.rows()] == [1, 3, 5]
    history.truncate(4)
    assert history.path.read_bytes() == b"\n".join(good[:2]) + b"\n"
    aside = history.path.with_name("metrics.damaged.jsonl")
    assert aside.read_bytes() == b"\n".join([*bad, cut_off]) + b"\n"
    said = f"{history.path} is damaged: line 2, 3, 4, 5, 6, ... went to metrics.damaged.jsonl.\n"
    assert capsys.readouterr().out == said
    history.truncate(4)
    assert capsys.readouterr().out == ""
    history.path.write_bytes(b"")
    history.truncate(4)
    said = f"{history.path} has no rows: what was measured before step 4 is lost.\n"
    assert capsys.readouterr().out == said


def test_a_full_disk_is_told_with_the_file(history, small_files):
    history.record(1, {"loss": 1.0})
    history.flush()
    history.record(2, {"loss": 2.0})
    with (
        small_files(30),
        pytest.raises(UserError, match="metrics.jsonl cannot be written: .*bytes"),
    ):
        history.flush()
    history.truncate(1)
    assert history.path.read_text() == '{"step": 1, "loss": 1.0}\n'


@pytest.mark.parametrize(
    "content", [b"{", b"\xff", b"[]", b'[["steps", 10]]', b"3", b"[" * 100_000]
)
def test_a_damaged_configuration_is_one_line(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match="config.json is damaged: .*nothing was changed"):
        RunDirectory(tmp_path).check(CONFIG)
    assert (tmp_path / "config.json").read_bytes() == content


HARMS = {
    "flipped": lambda file: file.write_bytes(file.read_bytes().replace(b"10", b"11")),
    "halved": lambda file: os.truncate(file, file.stat().st_size // 2),
    "empty": lambda file: file.write_bytes(b""),
    "gone": pathlib.Path.unlink,
}


@pytest.mark.parametrize("name", ["config.json", ".config.json"])
@pytest.mark.parametrize("harm", HARMS)
def test_one_of_the_two_copies_of_the_configuration_is_enough(tmp_path, capsys, name, harm):
    RunDirectory(tmp_path).begin(CONFIG)
    (tmp_path / "metrics.jsonl").write_text("")
    whole = (tmp_path / name).read_bytes()
    HARMS[harm](tmp_path / name)
    assert (tmp_path / name).exists() == (harm != "gone")
    for _ in range(2):
        assert RunDirectory(tmp_path).config() == CONFIG
    said = capsys.readouterr().out.splitlines()
    if name == ".config.json":
        assert said == []
    else:
        (line,) = said
        assert line.startswith(f"{tmp_path}/config.json is ")
        assert line.endswith(" Its copy, .config.json, is used.")
    with pytest.raises(UserError, match="steps: 10 there, 12 now"):
        RunDirectory(tmp_path).begin(CONFIG | {"steps": 12})
    RunDirectory(tmp_path).begin(CONFIG)
    assert (tmp_path / name).read_bytes() == whole


def test_a_process_that_was_killed_between_the_two_copies_has_not_begun(tmp_path):
    RunDirectory(tmp_path).begin(CONFIG)
    (tmp_path / "config.json").unlink()
    RunDirectory(tmp_path).begin(CONFIG | {"steps": 12})
    assert RunDirectory(tmp_path).config()["steps"] == 12
