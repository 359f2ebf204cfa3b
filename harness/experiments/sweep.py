"""Does many jobs, one after another: which of them a machine does, and what came of each."""

import contextlib
import dataclasses
import json
import pathlib
import random
import re
import time

from harness.errors import Diverged, UserError
from harness.experiments.experiment import Outcome
from harness.experiments.interruption import Interruption
from harness.files import write_whole
from harness.run.directory import RunDirectory
from harness.run.identity import kept

_DIVERGED = "diverged.json"

# States of a job in which there is nothing left to do.
FINISHED = ("complete", "diverged")


def share(jobs, shard=None):
    """The jobs that one machine of several does.

    Args:
        jobs: list of `Job`.
        shard: "i/n", the i-th of n shares, from 1/n to n/n; None: all. Each job is in one of
            them, and by chance in which, so that a share has its part of the slow ones.

    Returns:
        A list, in the order of `jobs`.
    """
    if not is_share(shard or "1/1"):
        raise UserError(f"--shard must be i/n, from 1/n to n/n. Received: shard={shard}")
    first, count = map(int, (shard or "1/1").split("/"))
    numbers = list(range(len(jobs)))
    random.Random(0).shuffle(numbers)
    return [jobs[number] for number in sorted(numbers[first - 1 :: count])]


def is_share(text):
    """Whether a text is of a share, i/n, from 1/n to n/n."""
    parsed = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    return parsed is not None and 1 <= int(parsed[1]) <= int(parsed[2])


class Sweep:
    """The directory of an experiment: `runs/NAME/`, what each job printed in `logs/NAME.txt`.

    Args:
        path: the directory.
        experiment: the `Experiment`.
    """

    def __init__(self, path, experiment):
        self.path = pathlib.Path(path)
        self._experiment = experiment

    def begin(self, jobs):
        """Makes the directory that of the experiment with these jobs.

        Raises:
            UserError: it is something else's, or has one of the jobs with another configuration.
        """
        with _directories_are_below_out():
            RunDirectory(self.path).begin({"experiment": self._experiment.name})
        self.outcomes(jobs)

    def outcomes(self, jobs):
        """The `Outcome` of each job.

        Raises:
            UserError: one was of another configuration, or of other images than another.
        """
        outcomes = [self._outcome(job) for job in jobs]
        _check_same_data(outcomes)
        return outcomes

    def carry_out(self, jobs, do):
        """Does the jobs that are neither complete nor diverged, one after another.

        Args:
            jobs: list of `Job`.
            do: `f(carry_out, config, path, log, interruption)`, does `carry_out` of the experiment
                in the directory `path`, as `processes.in_own_process` does.

        Raises:
            UserError: a job cannot begin, or was interrupted.
        """
        with Interruption() as interruption:
            for number, outcome in enumerate(self.outcomes(jobs), 1):
                if outcome.state not in FINISHED:
                    print(f"run {number}/{len(jobs)} {outcome.job.name}: ", end="", flush=True)
                    start = time.monotonic()
                    said = self._do(outcome, do, interruption)
                    print(f"{said}, {time.monotonic() - start:.0f} s", flush=True)
                    self.outcomes(jobs)  # This one may be of other images than those before.
                if interruption.came:
                    raise UserError("Interrupted between runs. The same command goes on.")

    def _outcome(self, job):
        directory = RunDirectory(self.path / "runs" / job.name)
        with _directories_are_below_out():
            directory.check(dataclasses.asdict(job.config), self._experiment.free)
        states = {
            self._experiment.product: "complete",
            _DIVERGED: "diverged",
            "config.json": "begun",
        }
        there = [state for file, state in states.items() if (directory / file).exists()]
        return Outcome(job, there[0] if there else "to do", directory)

    def _do(self, outcome, do, interruption):
        """Does a job, and returns what to say of it."""
        job, _, directory = outcome
        log = self.path / "logs" / f"{job.name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            do(self._experiment.carry_out, job.config, directory.path, log, interruption)
            return self._experiment.describe(self._outcome(job))
        except Diverged as error:
            write_whole(directory / _DIVERGED, json.dumps({"message": str(error)}) + "\n")
            return f"diverged: {error}"
        except (UserError, OSError) as error:
            print("stopped")
            said = _below_out(str(error))
            raise UserError(f"Run {job.name}: {said}") from error
        except KeyboardInterrupt:
            print("stopped")
            raise UserError(f"Run {job.name}: Interrupted. The same command goes on.") from None


def _check_same_data(outcomes):
    """Raises `UserError` where runs with the same settings had other images or another network."""
    first = {}
    for outcome in outcomes:
        for name, value in (kept(outcome.directory) or {}).items():
            key = (name, *_settings_of_data(outcome.job.config, name))
            then, run = first.setdefault(key, (value, outcome.job.name))
            if value != then:
                raise UserError(
                    "The runs of an experiment must be on the same images, and measured by the "
                    "same network: --data_dir or --features was another then. Remove the runs that "
                    f"are not to count. Received: {name}={then} in {run}, {name}={value} in "
                    f"{outcome.job.name}"
                )


def _settings_of_data(config, fact):
    """The values of a job's settings that a fact in its `data.json` follows from."""
    fields = (field for field in dataclasses.fields(config) if not field.metadata.get("free"))
    values = [getattr(config, f.name) for f in fields if f.metadata.get("group") == "Data"]
    if fact.startswith("train") and getattr(config, "train_size", None) is not None:
        values.append(config.seed)  # by which that part is chosen
    return values


@contextlib.contextmanager
def _directories_are_below_out():
    try:
        yield
    except UserError as error:
        raise UserError(_below_out(str(error))) from error


def _below_out(text):
    """What a run says of its directory, as an experiment has it."""
    return text.replace("--run_dir", "--out")
