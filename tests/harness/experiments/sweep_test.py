"""Sweeps: shares, what is done once and never again, and leaving in good order."""

import dataclasses
import functools
import os
import signal
import sys
import time

import pytest

from harness.config import Data, option
from harness.errors import Diverged, UserError
from harness.experiments.experiment import Experiment, Job
from harness.experiments.interruption import Interruption
from harness.experiments.processes import in_own_process
from harness.experiments.sweep import Sweep, share
from harness.files import write_whole
from harness.run.identity import keep_data
from tests.jobs import in_this_process


@dataclasses.dataclass(frozen=True)
class Config:
    rate: float
    data_dir: str = "here"


JOBS = [Job(f"rate_{rate}", Config(rate)) for rate in (1, 2, 3)]


class Work:
    """What a run does: it diverges, raises or completes as its rate says."""

    def __init__(self, **by_rate):
        self.done = []
        self.by_rate = by_rate

    def __call__(self, config, directory):
        self.done.append(config.rate)
        directory.begin(dataclasses.asdict(config), ("data_dir",))
        print(f"at work on {config.rate}")
        error = self.by_rate.get(f"rate_{config.rate}")
        if callable(error):
            error()
        elif error is not None:
            raise error
        write_whole(directory / "product", f'{{"step": 1, "value": {config.rate}}}\n')


def experiment(work=None, name="test"):
    return Experiment(
        name=name,
        summary="",
        fields=(),
        jobs=lambda request: JOBS,
        carry_out=work,
        product="product",
        free=("data_dir",),
        describe=lambda outcome: f"value {outcome.read('product')['value']}",
        report=None,
    )


def carry_out(path, work, jobs=JOBS, do=in_this_process):
    sweep = Sweep(path, experiment(work))
    sweep.begin(jobs)
    sweep.carry_out(jobs, do)
    return sweep.outcomes(jobs)


def states(outcomes):
    return [outcome.state for outcome in outcomes]


@pytest.mark.parametrize("count", [1, 2, 4, 7, 30])
def test_each_run_is_in_one_share(count):
    runs = [Job(str(i), None) for i in range(23)]
    shares = [share(runs, f"{i + 1}/{count}") for i in range(count)]
    assert sorted(run for each in shares for run in each) == sorted(runs)
    assert {len(each) for each in shares} <= {23 // count, -(-23 // count)}
    assert all(each == [run for run in runs if run in each] for each in shares)


def test_a_share_has_its_part_of_what_repeats():
    runs = [Job(str(i), None) for i in range(300)]
    fifths = [int(run.name) % 5 for run in share(runs, "1/5")]
    assert max(fifths.count(i) for i in range(5)) < 24


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3"])
def test_what_is_no_share_is_refused(shard):
    with pytest.raises(UserError, match=f"--shard .* Received: shard={shard}"):
        share(JOBS, shard)


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
    assert states(Sweep(tmp_path, experiment()).outcomes(JOBS))[1] == "begun"
    assert states(carry_out(tmp_path, work)) == ["complete"] * 3
    assert work.done == [2]
    assert capsys.readouterr().out.splitlines() == ["run 2/3 rate_2: value 2, 0 s"]


def test_a_job_says_of_its_directory_what_an_experiment_can_do(tmp_path):
    work = Work(rate_2=UserError("It is in use: use another --run_dir."))
    with pytest.raises(UserError, match="^Run rate_2: It is in use: use another --out.$"):
        carry_out(tmp_path, work)


@pytest.mark.parametrize("error", [UserError("no data"), OSError("no data")])
def test_a_mistake_stops_the_sweep_and_names_the_run(tmp_path, capsys, error):
    work = Work(rate_2=error)
    with pytest.raises(UserError, match="^Run rate_2: no data$"):
        carry_out(tmp_path, work)
    assert work.done == [1, 2]
    assert capsys.readouterr().out.splitlines()[-1] == "run 2/3 rate_2: stopped"
    assert states(Sweep(tmp_path, experiment()).outcomes(JOBS)) == ["complete", "begun", "to do"]


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_and_the_same_command_goes_on(tmp_path, number):
    usual = signal.getsignal(signal.SIGTERM)
    work = Work(rate_2=lambda: os.kill(os.getpid(), number))
    with pytest.raises(UserError, match="Run rate_2: Interrupted. The same command goes on"):
        carry_out(tmp_path, work)
    assert signal.getsignal(signal.SIGTERM) is usual
    assert states(carry_out(tmp_path, Work())) == ["complete"] * 3


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_interrupts_the_start_of_a_process_is_handed_on_to_it(number):
    done = []

    class Process:
        def start(self):
            os.kill(os.getpid(), number)
            done.append("started")

        def terminate(self):
            done.append("told")

    with Interruption() as interruption:
        interruption.start(Process())
    assert done == ["started", "told"]


def test_ctrl_c_at_a_terminal_while_a_process_imports_is_no_traceback(call, tmp_path):
    program = "import sys; from tests.harness.experiments import interrupted_import as it"
    code, out, error = call("-c", f"{program}; it.main(sys.argv[1])", tmp_path)
    assert (code, error) == (0, "")
    assert out.splitlines()[-1] == "Run a: Interrupted. The same command goes on."


# Jobs in processes of their own: what they do is a function that can be imported.


def work_and_tell(config, directory):
    """Completes, but for the second, which does as its `data_dir` says."""
    directory.begin(dataclasses.asdict(config), ("data_dir",))
    print(f"in process {os.getpid()} of {os.getppid()}")
    if config.rate == 2:
        if config.data_dir == "diverges":
            raise Diverged("loss is nan at step 7")
        if config.data_dir == "mistaken":
            raise UserError("no data")
        if config.data_dir == "gone":
            os._exit(3)
        if config.data_dir == "interrupted":
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(60)
        if config.data_dir == "completes":  # whatever comes in its last step
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(0.5)
    assert os.getpgrp() == os.getpid()  # Ctrl-C at a terminal is not for it
    write_whole(directory / "product", f'{{"step": 1, "value": {config.rate}}}\n')


def work_without_tensorflow():
    """What these jobs do needs it not, and it takes a while."""
    assert "tensorflow" not in sys.modules


def in_processes(path, second, jobs):
    jobs = [Job(job.name, dataclasses.replace(job.config, data_dir=second)) for job in jobs]
    do = functools.partial(in_own_process, prepare=work_without_tensorflow)
    return carry_out(path, work_and_tell, jobs, do)


def test_a_process_of_its_own_tells_how_a_job_ended(tmp_path, capsys):
    assert states(in_processes(tmp_path, "diverges", JOBS[:2])) == ["complete", "diverged"]
    assert "diverged: loss is nan at step 7" in capsys.readouterr().out
    ids = [(tmp_path / "logs" / f"rate_{n}.txt").read_text().split()[2:5:2] for n in (1, 2)]
    assert [parent for _, parent in ids] == [str(os.getpid())] * 2
    assert len({own for own, _ in ids} | {str(os.getpid())}) == 3


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("mistaken", "^Run rate_2: no data$"),
        ("gone", "^Run rate_2: its process ended with exit code 3 and without a word"),
        ("interrupted", "^Run rate_2: Interrupted. The same command goes on"),
    ],
)
def test_a_process_that_does_not_complete_stops_the_sweep(tmp_path, second, said):
    with pytest.raises(UserError, match=said):
        in_processes(tmp_path, second, JOBS[1:])
    assert states(Sweep(tmp_path, experiment()).outcomes(JOBS)) == ["to do", "begun", "to do"]


def test_a_signal_that_a_job_survives_stops_the_sweep_after_it(tmp_path):
    with pytest.raises(UserError, match="Interrupted between runs"):
        in_processes(tmp_path, "completes", JOBS[1:])
    assert states(Sweep(tmp_path, experiment()).outcomes(JOBS)) == ["to do", "complete", "to do"]


def test_another_configuration_is_refused_before_the_first_run(tmp_path):
    carry_out(tmp_path, Work(), JOBS[2:])
    work = Work()
    moved = [Job(run.name, dataclasses.replace(run.config, data_dir="there")) for run in JOBS]
    with pytest.raises(UserError, match="rate: 3 there, 4 now.*--out"):
        carry_out(tmp_path, work, [*moved[:2], Job("rate_3", Config(4))])
    assert work.done == []
    assert states(carry_out(tmp_path, work, moved)) == ["complete"] * 3


@dataclasses.dataclass(frozen=True)
class OfImages(Data):
    train_size: int | None = option(None, "Data", "")
    seed: int = option(0, "Run", "")


def see_images(config, directory):
    """Completes on images that `data_dir` and the seed tell, measured by no other network."""
    directory.begin(dataclasses.asdict(config), ("data_dir",))
    facts = {"train_fingerprint": f"{config.data_dir} {config.seed}", "features": config.data_dir}
    keep_data(directory, facts)
    write_whole(directory / "product", '{"step": 1, "value": 0}\n')


def test_runs_on_other_images_are_told_before_more_are_done(tmp_path):
    part = OfImages("mnist", "here", train_size=9)
    same = [part, dataclasses.replace(part, seed=1), OfImages("digits", "there")]
    jobs = [Job(str(number), config) for number, config in enumerate(same)]
    assert states(carry_out(tmp_path, see_images, jobs)) == ["complete"] * 3
    moved = dataclasses.replace(part, data_dir="there")
    more = [*jobs, Job("3", moved), Job("4", moved)]
    with pytest.raises(UserError, match="Received: .*=here.* in 0, .*=there.* in 3$"):
        carry_out(tmp_path, see_images, more)
    assert states(Sweep(tmp_path, experiment()).outcomes(jobs)) == ["complete"] * 3
    assert not (tmp_path / "runs/4").exists()


def test_a_directory_of_something_else_is_refused(tmp_path):
    carry_out(tmp_path / "mine", Work())
    with pytest.raises(UserError, match="'test' there, 'other' now.*--out"):
        Sweep(tmp_path / "mine", experiment(name="other")).begin(JOBS)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="not empty.*--out"):
        Sweep(tmp_path, experiment()).begin(JOBS)


@pytest.mark.parametrize("damage", [None, b"", b'{"step": 1, "val', b"\xff\xfe", "folder"])
def test_a_damaged_result_is_named_and_written_again(tmp_path, damage):
    (outcome,) = carry_out(tmp_path, Work(), JOBS[:1])
    path = outcome.directory / "product"
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage is not None:
        path.write_bytes(damage)
    with pytest.raises(UserError, match="rate_1/product is damaged: .* Remove it"):
        outcome.read("product")
    path.rmdir() if damage == "folder" else path.unlink(missing_ok=True)
    (outcome,) = carry_out(tmp_path, Work(), JOBS[:1])
    assert outcome.read("product") == {"step": 1, "value": 1}
