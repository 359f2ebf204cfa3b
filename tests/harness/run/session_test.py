"""A run from its last checkpoint to its end: the numbers are the same however often it is left."""

import itertools
import json
import os
import pathlib
import shutil
import signal

import pytest
import tensorflow as tf

from harness.errors import Diverged, UserError
from harness.files import plain_name
from harness.run.directory import RunDirectory
from harness.run.session import Session


class Trainer:
    """Adds up its batches; a signal comes in one step, and a weight is infinite after another."""

    strategy = tf.distribute.get_strategy()

    def __init__(self, interrupted_at=None, infinite_at=None):
        self._interrupted_at, self._infinite_at = interrupted_at, infinite_at
        self.total = tf.Variable(0.0)
        self.state = {"total": self.total}

    def step(self, step, batch):
        if step + 1 == self._interrupted_at:
            os.kill(os.getpid(), signal.SIGTERM)
        self.total.assign_add(float("inf") if step + 1 == self._infinite_at else batch)
        return {"loss": tf.constant(batch)}

    def is_finite(self):
        return bool(tf.math.is_finite(self.total))


class Rise:
    """Measures how far a variable rose from one measurement to the next."""

    def __init__(self, variable):
        self._variable = variable
        self.before = tf.Variable(0.0)

    def __call__(self):
        rise = float(self._variable - self.before)
        self.before.assign(self._variable)
        return {"rise": rise}


def train(path, trainer, last=12, writes=True, **given):
    """A run of a trainer, of which the total's rise is measured each five steps."""
    rise = Rise(trainer.total)
    session = Session(RunDirectory(path, writes), trainer, last, rise_before=rise.before, **given)
    evaluation = session.evaluation(rise, lambda result: f"rise {result['rise']}")
    batches = map(float, itertools.count(session.first))
    session.run(batches, [(5, evaluation)], log_every=2, checkpoint_every=4)
    return session


def rows(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def checkpoints(path):
    """The steps of those that there are."""
    return sorted(int(file.stem.split("-")[1]) for file in path.glob("checkpoints/*.index"))


def events(path):
    """(step, name) of each number for TensorBoard, ascending."""
    (file,) = (path / "events").iterdir()
    with plain_name(file) as name:
        records = tf.data.TFRecordDataset(name).as_numpy_iterator()
        found = [tf.compat.v1.Event.FromString(record) for record in records]
    return sorted((event.step, value.tag) for event in found for value in event.summary.value)


def test_a_run_writes_and_says_what_came_of_each_step(tmp_path, capsys):
    session = train(tmp_path, Trainer())
    found = {row.pop("step"): row for row in rows(tmp_path)}
    assert list(found) == [0, 2, 4, 5, 6, 8, 10, 12]
    losses = {step: row["loss"] for step, row in found.items() if "loss" in row}
    assert losses == {2: 1.0, 4: 3.0, 6: 5.0, 8: 7.0, 10: 9.0, 12: 11.0}
    rises = {step: row["rise"] for step, row in found.items() if "rise" in row}
    assert rises == {0: 0.0, 5: 10.0, 10: 35.0, 12: 21.0}
    assert session.history.rows() == rows(tmp_path)
    assert checkpoints(tmp_path) == [8, 12]
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [f"Writing to {tmp_path}, from step 0 of 12.", "step 0: rise 0.0"]
    steps = [line.split(" ")[1] for line in said[2:-1]]
    assert steps == ["2/12", "4/12", "5:", "6/12", "8/12", "10/12", "10:", "12/12", "12:"]
    assert said[-1].endswith("was spent waiting for data.")


@pytest.mark.parametrize("interrupted_at", [1, 4, 7, 10])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path, interrupted_at):
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    train(whole, Trainer())
    with pytest.raises(UserError, match=f"Interrupted at step {interrupted_at} of 12"):
        train(cut, Trainer(interrupted_at))
    assert checkpoints(cut)[-1] == interrupted_at
    # What a run that was killed later has written after its last checkpoint.
    with open(cut / "metrics.jsonl", "a") as file:
        file.write('{"step": 11, "loss": 0.0}\n{"step": ')
    trainer = Trainer()
    assert train(cut, trainer).first == interrupted_at
    assert trainer.total == sum(range(12))
    assert rows(cut) == rows(whole)
    assert events(cut) == events(whole)


def test_a_run_that_is_at_its_end_takes_no_step(tmp_path, capsys):
    train(tmp_path, Trainer())
    before = rows(tmp_path)
    capsys.readouterr()
    trainer = Trainer()
    train(tmp_path, trainer)
    assert trainer.total == sum(range(12))
    assert rows(tmp_path) == before
    assert capsys.readouterr().out == f"Writing to {tmp_path}, from step 12 of 12.\n"


@pytest.mark.parametrize("keep, kept", [(1, [12]), (3, [4, 8, 12]), (None, [3, 4, 8, 12])])
def test_as_many_checkpoints_are_kept_as_is_said(tmp_path, keep, kept):
    with pytest.raises(UserError, match="Interrupted"):
        train(tmp_path, Trainer(interrupted_at=3), keep=keep)
    train(tmp_path, Trainer(), keep=keep)
    assert checkpoints(tmp_path) == kept


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    with pytest.raises(Diverged, match="A weight is not finite after step 8"):
        train(tmp_path, Trainer(infinite_at=6))
    assert checkpoints(tmp_path) == [4]


def test_a_process_that_does_not_write_only_takes_the_steps(tmp_path, capsys):
    trainer = Trainer()
    train(tmp_path / "run", trainer, writes=False)
    assert trainer.total == sum(range(12))
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
    assert checkpoints(tmp_path / "run") == []
    assert capsys.readouterr().out == ""


def test_a_full_disk_is_one_line_and_the_run_goes_on_afterwards(tmp_path, small_files, capsys):
    """Of the events: what is written of a step is in them before its checkpoint."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(whole, Trainer())
    with (
        small_files(400),
        pytest.raises(
            UserError, match="events cannot be written: File too large. It takes about .* bytes"
        ),
    ):
        train(cut, Trainer())
    train(cut, Trainer())
    assert rows(cut) == rows(whole)
    assert events(cut) == events(whole)


LOSSES = {
    "removed": shutil.rmtree,
    "emptied": lambda folder: [file.unlink() for file in folder.iterdir()],
    "on another disk": lambda folder: (
        folder.rename(folder.with_name("there")),
        folder.symlink_to("not mounted"),
    ),
}


@pytest.mark.parametrize("last", [12, 7], ids=["begun", "complete"])
@pytest.mark.parametrize("lose", LOSSES)
def test_a_run_whose_checkpoints_are_gone_does_not_begin_anew(tmp_path, lose, last):
    with pytest.raises(UserError, match="Interrupted"):
        train(tmp_path, Trainer(interrupted_at=6))
    train(tmp_path, Trainer(), last=last)
    LOSSES[lose](tmp_path / "checkpoints")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    said = f"checkpoints in {tmp_path}/checkpoints are gone.* or use another --run_dir; nothing"
    with pytest.raises(UserError, match=said):
        train(tmp_path, Trainer())
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(whole, Trainer())
    with pytest.raises(Diverged):
        train(cut, Trainer(infinite_at=3))
    assert checkpoints(cut) == [] and [row["step"] for row in rows(cut)] == [0, 2]
    train(cut, Trainer())
    assert rows(cut) == rows(whole)
    assert {path.name for path in cut.rglob("*")} >= {path.name for path in whole.glob("c*/*")}
    assert not (cut / "checkpoints" / "none_yet").exists()


HARMS = {
    "a flipped digit": lambda file: file.write_bytes(file.read_bytes().replace(b"5.0", b"7.0")),
    "no row": lambda file: file.write_bytes(b"\xff" + file.read_bytes()),
    "emptied": lambda file: file.write_bytes(b""),
    "gone": pathlib.Path.unlink,
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_history_is_taken_from_the_checkpoint(tmp_path, capsys, harm):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(whole, Trainer())
    with pytest.raises(UserError, match="Interrupted"):
        train(cut, Trainer(interrupted_at=7))
    HARMS[harm](cut / "metrics.jsonl")
    capsys.readouterr()
    train(cut, Trainer())
    assert rows(cut) == rows(whole)
    said = f"{cut}/metrics.jsonl is not what it was at step 7: its copy of then is used.\n"
    assert said in capsys.readouterr().out


def test_a_history_whose_copy_is_damaged_is_the_runs_own(tmp_path, capsys):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(whole, Trainer())
    with pytest.raises(UserError, match="Interrupted"):
        train(cut, Trainer(interrupted_at=7))
    (cut / "checkpoints" / "ckpt-7.jsonl").write_text("{}")
    capsys.readouterr()
    assert train(cut, Trainer()).first == 7
    assert rows(cut) == rows(whole)
    assert "metrics.jsonl" not in capsys.readouterr().out


def test_a_damaged_picture_or_event_file_does_not_end_a_run(tmp_path, capsys):
    with pytest.raises(UserError, match="Interrupted"):
        train(tmp_path, Trainer(interrupted_at=10))
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "0000005.png").write_bytes(b"\x89PNG\xff")
    (file,) = (tmp_path / "events").iterdir()
    file.write_bytes(b"\xff" * 10)
    capsys.readouterr()
    assert train(tmp_path, Trainer()).first == 10
    said = f"{tmp_path}/samples/0000005.png is damaged: TensorBoard is without it."
    assert capsys.readouterr().out.splitlines()[0] == said
    assert max(events(tmp_path))[0] == 12


@pytest.mark.parametrize("name", ["seed[1]", "nu\udcff"])
def test_a_run_is_in_a_folder_of_any_name(tmp_path, name):
    train(tmp_path / "seed1", Trainer())
    with pytest.raises(UserError, match="Interrupted"):
        train(tmp_path / name, Trainer(interrupted_at=7))
    assert train(tmp_path / name, Trainer()).first == 7
    assert events(tmp_path / name) == events(tmp_path / "seed1")
    assert checkpoints(tmp_path / "seed1") == [8, 12]
