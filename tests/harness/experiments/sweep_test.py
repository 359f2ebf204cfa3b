"""Sweeps: shares, what is done once and never again, and leaving in good order."""

import dataclasses
import gc
import os
import signal
import weakref

import pytest
import tensorflow as tf

from harness.errors import Diverged, UserError
from harness.experiments.sweep import Run, Sweep, share
from harness.files import write_whole
from harness.run.directory import History


@pytest.fixture(autouse=True)
def little_garbage():
    """A sweep collects after each run: all that was there before would take most of a second."""
    gc.freeze()
    yield
    gc.unfreeze()


@dataclasses.dataclass(frozen=True)
class Config:
    rate: float
    data_dir: str = "here"


RUNS = [Run(f"rate_{rate}", Config(rate)) for rate in (1, 2, 3)]


class Work:
    """What a run does: it diverges, raises or completes as its rate says."""

    def __init__(self, **of_rate):
        self.done = []
        self.of_rate = of_rate

    def __call__(self, config, directory):
        self.done.append(config.rate)
        directory.begin(dataclasses.asdict(config), ("data_dir",))
        print(f"at work on {config.rate}")
        error = self.of_rate.get(f"rate_{config.rate}")
        if callable(error):
            error()
        elif error is not None:
            raise error
        write_whole(directory / "metrics.jsonl", f'{{"step": 1, "value": {config.rate}}}\n')
        write_whole(directory / "product", "")


def carry_out(path, work, runs=RUNS):
    sweep = Sweep(path, "product", ("data_dir",))
    sweep.begin("test", runs)
    sweep.carry_out(runs, work, lambda outcome: f"value {outcome.last()['value']}")
    return sweep.outcomes(runs)


def states(outcomes):
    return [outcome.state for outcome in outcomes]


@pytest.mark.parametrize("count", [1, 2, 4, 7, 30])
def test_each_run_is_in_one_share(count):
    runs = [Run(str(i), None) for i in range(23)]
    shares = [share(runs, f"{i + 1}/{count}") for i in range(count)]
    assert sorted(run for each in shares for run in each) == sorted(runs)
    assert {len(each) for each in shares} <= {23 // count, -(-23 // count)}
    assert all(each == [run for run in runs if run in each] for each in shares)


def test_a_share_has_its_part_of_what_repeats():
    runs = [Run(str(i), None) for i in range(300)]
    fifths = [int(run.name) % 5 for run in share(runs, "1/5")]
    assert max(fifths.count(i) for i in range(5)) < 24


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3"])
def test_what_is_no_share_is_refused(shard):
    with pytest.raises(UserError, match=f"--shard .* Received: shard={shard}"):
        share(RUNS, shard)


def test_runs_are_done_once_and_a_diverged_one_when_its_record_is_deleted(tmp_path, capsys):
    work = Work(rate_2=Diverged("loss is nan at step 7"))
    outcomes = carry_out(tmp_path, work)
    assert states(outcomes) == ["complete", "diverged", "complete"]
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "run 1/3 rate_1: value 1, 0 s",
        "run 2/3 rate_2: diverged: loss is nan at step 7, 0 s",
        "run 3/3 rate_3: value 3, 0 s",
    ]
    assert "loss is nan" in (outcomes[1].directory / "diverged.json").read_text()
    assert (tmp_path / "logs" / "rate_3.txt").read_text() == "at work on 3\n"

    work = Work()
    assert states(carry_out(tmp_path, work)) == ["complete", "diverged", "complete"]
    assert work.done == []
    (outcomes[1].directory / "diverged.json").unlink()
    assert states(Sweep(tmp_path, "product").outcomes(RUNS))[1] == "begun"
    assert states(carry_out(tmp_path, work)) == ["complete"] * 3
    assert work.done == [2]
    assert capsys.readouterr().out.splitlines() == ["run 2/3 rate_2: value 2, 0 s"]


@pytest.mark.parametrize("error", [UserError("no data"), OSError("no data")])
def test_a_mistake_stops_the_sweep_and_names_the_run(tmp_path, capsys, error):
    work = Work(rate_2=error)
    with pytest.raises(UserError, match="^Run rate_2: no data$"):
        carry_out(tmp_path, work)
    assert work.done == [1, 2]
    assert capsys.readouterr().out.splitlines()[-1] == "run 2/3 rate_2: stopped"
    assert states(Sweep(tmp_path, "product").outcomes(RUNS)) == ["complete", "begun", "to do"]


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_and_the_same_command_goes_on(tmp_path, number):
    usual = signal.getsignal(signal.SIGTERM)
    work = Work(rate_2=lambda: os.kill(os.getpid(), number))
    with pytest.raises(UserError, match="Run rate_2: Interrupted. The same command goes on"):
        carry_out(tmp_path, work)
    assert signal.getsignal(signal.SIGTERM) is usual
    assert states(carry_out(tmp_path, Work())) == ["complete"] * 3


def test_a_signal_that_a_run_has_swallowed_stops_the_sweep_after_it(tmp_path):
    def last_step():
        usual = signal.signal(signal.SIGTERM, lambda *_: None)
        os.kill(os.getpid(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, usual)

    work = Work(rate_2=last_step)
    with pytest.raises(UserError, match="Interrupted between runs"):
        carry_out(tmp_path, work)
    assert work.done == [1, 2]
    assert states(Sweep(tmp_path, "product").outcomes(RUNS)) == ["complete", "complete", "to do"]


def test_another_configuration_is_refused_before_the_first_run(tmp_path):
    carry_out(tmp_path, Work(), RUNS[2:])
    work = Work()
    moved = [Run(run.name, dataclasses.replace(run.config, data_dir="there")) for run in RUNS]
    with pytest.raises(UserError, match="rate: 3 there, 4 now.*--out"):
        carry_out(tmp_path, work, [*moved[:2], Run("rate_3", Config(4))])
    assert work.done == []
    assert states(carry_out(tmp_path, work, moved)) == ["complete"] * 3


def test_a_directory_of_something_else_is_refused(tmp_path):
    carry_out(tmp_path / "mine", Work())
    with pytest.raises(UserError, match="'test' there, 'other' now.*--out"):
        Sweep(tmp_path / "mine", "product").begin("other", RUNS)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="not empty.*--out"):
        Sweep(tmp_path, "product").begin("test", RUNS)


def test_a_complete_run_without_its_history_is_named(tmp_path):
    (outcome,) = carry_out(tmp_path, Work(), RUNS[:1])
    History(outcome.directory).path.unlink()
    with pytest.raises(UserError, match="rate_1 .*metrics.jsonl"):
        outcome.last()


def test_a_run_leaves_no_graph_behind(tmp_path):
    graphs = []

    def trace():
        @tf.custom_gradient
        def square(x):
            return x * x, lambda dy: 2 * x * dy

        @tf.function
        def step(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = square(x)
            return tape.gradient(y, x)

        assert step(tf.constant(3.0)) == 6.0
        graphs.append(weakref.ref(step.get_concrete_function(tf.constant(3.0)).graph))

    carry_out(tmp_path, Work(rate_1=trace), RUNS[:1])
    assert graphs[0]() is None
