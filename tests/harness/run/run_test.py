"""A run of any program: the order of what it does, and what it does not do twice."""

import dataclasses
import shutil

import keras
import pytest
import tensorflow as tf

from harness import config
from harness.errors import Diverged, UserError
from harness.run import run
from harness.run.directory import History


@dataclasses.dataclass(frozen=True)
class Config(config.Normalization, config.Run):
    steps: int = config.again(config.Run, "steps", 3)


def test_the_configuration_is_shown_in_groups_with_what_was_changed():
    text = run._described(Config(norm="zca", seed=3))
    lines = text.splitlines()
    heads = [line for line in lines if line.startswith("#")]
    assert heads == ["# Normalization", "# Training", "# Run"]
    assert "norm: zca  # changed from itn" in lines and "seed: 3  # changed from 0" in lines
    assert lines.index("# Training") < lines.index("steps: 3") < lines.index("# Run")
    assert text.count("changed") == 2
    names = [line.partition(": ")[0] for line in lines if line[0] != "#"]
    assert names == list(Config().settings())


class Trainer:
    """Counts."""

    strategy = tf.distribute.get_strategy()
    models = ()
    learning_rate = 0.125

    def __init__(self):
        self.count = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.random = float(keras.random.uniform([]))

    @property
    def state(self):
        return {"count": self.count}

    def is_finite(self):
        return True

    def step(self, step, batch):
        self.count.assign_add(batch)
        return {"count": tf.cast(self.count, tf.float32)}


class Run(run.Run):
    products = ("first", "last")

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.done = []

    def prepare(self):
        self.done.append("prepare")
        self.seed()
        self.parts = self
        self.trainer = Trainer()

    def begin(self):
        assert (self.directory / "config.json").exists()
        self.done.append("begin")
        super().begin()

    def batches(self):
        return iter([1] * (self.steps - self.session.first))

    def actions(self):
        return [(2, lambda step, logs: self.done.append(step))]

    def finish(self):
        self.done.append("finish")
        for name in self.products:
            (self.directory / name).mkdir(exist_ok=True)


def test_what_a_run_does_in_which_order(tmp_path, capsys):
    first = Run(Config(seed=5), tmp_path / "run")
    first.train()
    assert first.done == ["prepare", "begin", 0, 2, 3, "finish"]
    assert int(first.trainer.count) == 3
    assert "seed: 5" in capsys.readouterr().out

    again = Run(Config(seed=5), tmp_path / "run")
    again.train()
    assert again.done == []
    assert capsys.readouterr().out == (f"The run in {tmp_path / 'run'} is complete, see last/.\n")

    (tmp_path / "run" / "last").rmdir()
    (tmp_path / "run" / "first").rmdir()
    resumed = Run(Config(seed=5), tmp_path / "run")
    resumed.train()
    assert resumed.done == ["prepare", "begin", "finish"]
    assert int(resumed.trainer.count) == 3 and resumed.session.first == 3


def test_another_configuration_is_refused_before_anything_is_made(tmp_path):
    Run(Config(), tmp_path / "run").train()
    other = Run(Config(seed=1), tmp_path / "run")
    with pytest.raises(UserError, match="seed: 0 there, 1 now"):
        other.train()
    assert other.done == []
    (tmp_path / "run" / "last").rmdir()
    moved = Run(Config(log_every=7), tmp_path / "run")
    moved.train()
    assert moved.done == ["prepare", "begin", "finish"]
    assert moved.directory.config()["log_every"] == 7


def test_a_gpu_that_is_not_there_is_refused_where_a_run_begins(tmp_path, monkeypatch):
    begun = Run(Config(norm="zca", device="gpu"), tmp_path / "run")
    with pytest.raises(UserError, match="Received: device=gpu, and no GPU"):
        begun.train()
    assert begun.done == [] and not (tmp_path / "run").exists()
    monkeypatch.setattr(run, "_gpus", lambda: 1)
    begun.train()
    (tmp_path / "run" / "last").rmdir()
    monkeypatch.setattr(run, "_gpus", lambda: 0)
    Run(Config(norm="zca", device="gpu"), tmp_path / "run").train()


def test_a_complete_run_goes_on_where_it_is_to_be_longer(tmp_path, capsys):
    path = tmp_path / "run"
    Run(Config(), path).train()
    for changed in (Config(steps=5, seed=1), Config(steps=2)):
        other = Run(changed, path)
        with pytest.raises(UserError, match="steps: 3 there"):
            other.train(lengthen=True)
    unasked = Run(Config(steps=5), path)  # as an experiment's
    with pytest.raises(UserError, match="steps: 3 there, 5 now"):
        unasked.train()
    assert unasked.done == [] and (path / "last").exists()
    for name in ("evaluation", "evaluation_best", "evaluation-2", "my_evaluation"):
        (path / f"{name}.json").write_text(name)
    capsys.readouterr()
    longer = Run(Config(steps=5), path)
    longer.train(lengthen=True)
    measured = {file.stem: file.read_text() for file in path.glob("*evaluation*")}
    assert measured == {
        "evaluation-3": "evaluation",
        "evaluation-3_best": "evaluation_best",
        "evaluation-2": "evaluation-2",
        "my_evaluation": "my_evaluation",
    }
    assert longer.done == ["prepare", "begin", 4, 5, "finish"]
    assert longer.session.first == 3 and int(longer.trainer.count) == 5
    out = capsys.readouterr().out
    assert "complete at step 3, and goes on to step 5" in out and "where it is 0.125 now" in out
    assert "last/ is kept as last-3/." in out
    assert "evaluation.json is kept as evaluation-3.json." in out
    assert {path.name for path in path.glob("*t*")} >= {"first", "last", "first-3", "last-3"}
    again = Run(Config(steps=5), path)
    again.train(lengthen=True)
    assert again.done == []
    (path / "last").rmdir()  # A run that is not complete is to be completed first.
    with pytest.raises(UserError, match="steps: 5 there, 6 now"):
        Run(Config(steps=6), path).train(lengthen=True)


def test_a_kill_where_a_run_becomes_longer_is_no_other_run(tmp_path):
    path = tmp_path / "run"
    Run(Config(), path).train()
    for name, there in (("last", ["first", "last-3"]), ("first", ["first-3", "last-3"])):
        (path / name).rename(path / f"{name}-3")
        with pytest.raises(UserError, match="seed: 0 there, 1 now; steps: 3 there, 5 now"):
            Run(Config(steps=5, seed=1), path).train(lengthen=True)
        longer = Run(Config(steps=5), shutil.copytree(path, tmp_path / name))
        longer.train(lengthen=True)
        assert longer.session.first == 3 and int(longer.trainer.count) == 5
        assert longer.directory.config()["steps"] == 5
        assert {found.name for found in path.glob("*st*")} == set(there)
        found = {found.name for found in longer.directory.path.glob("*st*")}
        assert found == {"first", "last", "first-3", "last-3"}


@pytest.mark.parametrize("gone", [["checkpoints"], ["checkpoints", "metrics.jsonl"]])
def test_a_complete_run_whose_checkpoints_are_gone_is_left_as_it_is(tmp_path, gone):
    path = tmp_path / "run"
    Run(Config(log_every=1), path).train()
    for name in gone:
        (path / name).rename(tmp_path / name)
    before = {file: file.is_file() and file.read_bytes() for file in path.rglob("*")}
    with pytest.raises(UserError, match="checkpoints are gone"):
        Run(Config(log_every=1, steps=5), path).train(lengthen=True)
    assert {file: file.is_file() and file.read_bytes() for file in path.rglob("*")} == before
    for name in gone:
        (tmp_path / name).rename(path / name)
    longer = Run(Config(log_every=1, steps=5), path)
    longer.train(lengthen=True)
    assert longer.session.first == 3


def test_a_longer_run_that_was_interrupted_is_not_complete(tmp_path):
    path = tmp_path / "run"
    Run(Config(), path).train()

    class Interrupted(Run):
        def finish(self):
            raise UserError("Interrupted.")

    with pytest.raises(UserError, match="Interrupted"):
        Interrupted(Config(steps=5), path).train(lengthen=True)
    same = Run(Config(steps=5), path)
    same.train(lengthen=True)
    assert same.done == ["prepare", "begin", "finish"] and same.session.first == 5


def test_what_is_random_follows_from_the_seed(tmp_path):
    numbers = []
    for seed in (1, 1, 2):
        one = Run(Config(seed=seed))
        one.prepare()
        numbers.append(one.trainer.random)
    assert numbers[0] == numbers[1] != numbers[2]


class Late(Run):
    """Finds a mistake after all was prepared."""

    def batches(self):
        raise UserError("mine")


def test_a_mistake_that_is_found_late_leaves_no_directory(tmp_path):
    with pytest.raises(UserError, match="mine"):
        Late(Config(), tmp_path / "a" / "run").train()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "run").mkdir()
    with pytest.raises(UserError, match="mine"):
        Late(Config(), tmp_path / "run").train()
    Run(Config(seed=9), tmp_path / "run").train()


class Failing(Run):
    """Fails in a step."""

    def __init__(self, *arguments, error, at, **options):
        super().__init__(*arguments, **options)
        self.error, self.at = error, at

    def batches(self):
        for step in range(self.session.first, self.steps):
            if step == self.at:
                raise self.error
            yield 1


MEMORY = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")


@pytest.mark.parametrize("error", [MEMORY, MemoryError(), OSError("it"), RuntimeError("a bug")])
def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(tmp_path, error):
    expected = type(error)
    for path in (tmp_path / "a" / "run", tmp_path):
        with pytest.raises(expected):
            Failing(Config(), path, error=error, at=0).train()
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(expected):
        Failing(Config(checkpoint_every=1), tmp_path / "run", error=error, at=2).train()
    again = Run(Config(checkpoint_every=1), tmp_path / "run")
    again.train()
    assert again.session.first == 2


def test_a_failure_removes_nothing_that_was_there_before(tmp_path):
    with pytest.raises(Diverged):
        Failing(Config(), tmp_path / "run", error=Diverged("nan"), at=2).train()
    with pytest.raises(OSError):
        Failing(Config(), tmp_path / "run", error=OSError("it"), at=0).train()
    assert (tmp_path / "run" / "config.json").exists()


def test_a_run_that_diverges_leaves_its_history(tmp_path):
    run = Failing(Config(log_every=1), tmp_path / "run", error=Diverged("nan"), at=2)
    with pytest.raises(Diverged):
        run.train()
    assert [row["step"] for row in History(run.directory).rows()] == [1]


def test_a_second_run_in_a_directory_is_refused(tmp_path):
    first, second = (Run(Config(), tmp_path / "run") for _ in range(2))
    first.finish = second.train
    with pytest.raises(UserError, match="is in use: another process"):
        first.train()
    assert second.done == ["prepare"]
    third = Run(Config(), tmp_path / "run")
    third.train()
    assert third.session.first == 3 and not (tmp_path / "run" / ".lock").exists()
