"""One process writes to a run's directory."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from harness.errors import UserError
from harness.run import lock
from harness.run.directory import RunDirectory
from tests.sources import ROOT

HOLDER = """
import sys, time
from harness.run.directory import RunDirectory
with RunDirectory(sys.argv[1]).locked():
    print("held", flush=True)
    time.sleep(300)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the directory `run`."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_until_the_first_is_gone_however_that_ends(tmp_path, holder):
    directory = RunDirectory(tmp_path / "run")
    with (
        pytest.raises(UserError, match=f"run is in use: .*process {holder.pid} on "),
        directory.locked(),
    ):
        pass
    assert (tmp_path / "run" / ".lock").exists()
    with RunDirectory(tmp_path / "run", writes=False).locked():
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    directory.check({})  # what is left of it is no run of another
    with directory.locked():
        assert f"process {os.getpid()} " in (tmp_path / "run" / ".lock").read_text()
    assert list((tmp_path / "run").iterdir()) == []


def test_who_waits_goes_on_when_the_holder_is_gone_or_it_takes_too_long(tmp_path, holder, capsys):
    path = tmp_path / "run" / ".lock"
    start = time.monotonic()
    lock.wait_for(path, 0.3)
    assert time.monotonic() - start >= 0.3
    said = capsys.readouterr().out
    assert "run is in use" in said and f"process {holder.pid} on " in said and said.count("\n") == 1
    threading.Timer(0.3, holder.kill).start()
    lock.wait_for(path, 300)
    with RunDirectory(tmp_path / "run").locked():
        pass
    lock.wait_for(tmp_path / "none" / ".lock", 300)


def test_where_there_are_no_locks_a_line_says_so(tmp_path, monkeypatch, capsys):
    def none(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", none)
    with RunDirectory(tmp_path / "run").locked():
        pass
    assert "cannot be locked (Operation not supported)" in capsys.readouterr().out


def test_a_directory_in_which_nothing_was_written_is_gone(tmp_path):
    directory = RunDirectory(tmp_path / "a" / "b")
    with pytest.raises(RuntimeError), directory.locked():
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with directory.locked():
        directory.begin({})
    names = {path.name for path in directory.path.iterdir()}
    assert names == {"config.json", ".config.json"}


def test_what_dead_processes_left_is_swept_up(tmp_path):
    dead, run = subprocess.Popen(["true"]), tmp_path / "run"
    dead.wait()
    names = [f".tfnorm-{dead.pid}.{name}" for name in ("model", "model.before", "thesis.json")]
    names += [f"{part}/.tfnorm-{dead.pid}.x" for part in ("samples", "checkpoints")]
    # As earlier versions called them.
    names += [f".model.{dead.pid}", f".{dead.pid}.model", f"samples/.{dead.pid}.0000001.png"]
    names += [f".config.json.{dead.pid}", f".{dead.pid}.best.keras", f".{dead.pid}..config.json"]
    names += [f".{dead.pid}.model.before", f"checkpoints/.{dead.pid}.ckpt-5.jsonl"]
    kept = [f".tfnorm-{os.getppid()}.evaluation.json", ".hidden", "samples/0000001.png"]
    kept += [f".{os.getppid()}.evaluation.json", ".notes.99999", ".99999.plan", ".model.20261127"]
    kept += [".checkpoints.99999", ".99999.models", "samples/.99999.png", "checkpoints/.99999.x"]
    for name in names + kept:
        (run / name).mkdir(parents=True)
        (run / name / "file").touch()
    with RunDirectory(run).locked():
        pass
    folders = {"samples", "checkpoints"}
    paths = [*run.iterdir(), *(path for name in folders for path in (run / name).iterdir())]
    assert {str(path.relative_to(run)) for path in paths} == {*folders, *kept}
