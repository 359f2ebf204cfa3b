"""Many runs, one after another: which of them a machine does, and what came of each."""

import contextlib
import dataclasses
import gc
import json
import logging
import os
import pathlib
import random
import re
import signal
import time
import typing

import keras
from tensorflow.python.framework import ops

from harness.errors import Diverged, UserError
from harness.files import write_whole
from harness.run.directory import History, RunDirectory

_DIVERGED = "diverged.json"

# States of a run in which there is nothing left to do.
FINISHED = ("complete", "diverged")


class Run(typing.NamedTuple):
    """A run of a sweep: its name, which is that of its directory, and a dataclass."""

    name: str
    config: typing.Any


class Outcome(typing.NamedTuple):
    """What there is of a run: "to do", "begun", "diverged" or "complete", in its directory."""

    run: Run
    state: str
    directory: RunDirectory

    def last(self):
        """The last row of the run's history, a dict."""
        history = History(self.directory)
        rows = history.rows()
        if not rows:
            raise UserError(f"The run {self.run.name} is complete, but {history.path} is empty.")
        return rows[-1]


def share(runs, shard=None):
    """The runs that one machine of several does.

    Args:
        runs: list of `Run`.
        shard: "i/n", the i-th of n shares, from 1/n to n/n; None: all. Each run is in one of
            them, and by chance in which, so that a share has its part of the slow ones.

    Returns:
        A list, in the order of `runs`.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", shard or "1/1")
    first, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= first <= count:
        raise UserError(f"--shard is i/n, from 1/n to n/n. Received: shard={shard}")
    numbers = list(range(len(runs)))
    random.Random(0).shuffle(numbers)
    return [runs[number] for number in sorted(numbers[first - 1 :: count])]


class Sweep:
    """The directory of an experiment: `runs/NAME/`, what each run printed in `logs/NAME.txt`.

    Args:
        path: the directory.
        product: name of what a run writes last: one that has it is complete.
        free: fields of a run's configuration that may differ from one start to the next.
    """

    def __init__(self, path, product, free=()):
        self.path = pathlib.Path(path)
        self._product = product
        self._free = free

    def begin(self, name, runs):
        """Makes the directory that of the experiment `name` with these runs.

        Raises:
            UserError: it is something else's, or has one of the runs with another configuration.
        """
        with _directories_are_below_out():
            RunDirectory(self.path).begin({"experiment": name})
        self.outcomes(runs)

    def outcomes(self, runs):
        """The `Outcome` of each run; raises `UserError` if one was of another configuration."""
        return [self._outcome(run) for run in runs]

    def carry_out(self, runs, do, describe):
        """Does the runs that are neither complete nor diverged, one after another.

        Args:
            runs: list of `Run`.
            do: `f(config, directory)`, a run of that configuration in that `RunDirectory`, which
                goes on where it was interrupted, and raises `Diverged` if it has diverged.
            describe: `f(outcome)`, what to say of a complete run, a few words.

        Raises:
            UserError: a run cannot begin, or was interrupted.
        """
        with _interruptible() as interrupted:
            for number, outcome in enumerate(self.outcomes(runs), 1):
                if outcome.state not in FINISHED:
                    print(f"run {number}/{len(runs)} {outcome.run.name}: ", end="", flush=True)
                    start, known = time.monotonic(), set(_gradients())
                    said = self._carry_out(outcome, do, describe)
                    print(f"{said}, {time.monotonic() - start:.0f} s", flush=True)
                    _free_memory(known)
                if interrupted():
                    raise UserError("Interrupted between runs. The same command goes on.")

    def _outcome(self, run):
        directory = RunDirectory(self.path / "runs" / run.name)
        with _directories_are_below_out():
            directory.check(dataclasses.asdict(run.config), self._free)
        states = {self._product: "complete", _DIVERGED: "diverged", "config.json": "begun"}
        there = [state for file, state in states.items() if (directory / file).exists()]
        return Outcome(run, there[0] if there else "to do", directory)

    def _carry_out(self, outcome, do, describe):
        """Does a run, and returns what to say of it."""
        run, _, directory = outcome
        try:
            with _printed_to(self.path / "logs" / f"{run.name}.txt"):
                do(run.config, directory)
            return describe(self._outcome(run))
        except Diverged as error:
            write_whole(directory / _DIVERGED, json.dumps({"message": str(error)}) + "\n")
            return f"diverged: {error}"
        except (UserError, OSError) as error:
            print("stopped")
            raise UserError(f"Run {run.name}: {error}") from error
        except KeyboardInterrupt:
            print("stopped")
            raise UserError(f"Run {run.name}: Interrupted. The same command goes on.") from None


def _gradients():
    """TensorFlow's register of gradients, a dict by name."""
    return ops.gradient_registry._registry


def _free_memory(known):
    """Frees what a run leaves behind, where `known` are the names of `_gradients` before it.

    A function of `tf.custom_gradient` in a graph registers a gradient for good, which keeps all of
    the graph: tens of megabytes a run.
    """
    for name in set(_gradients()) - known:
        del _gradients()[name]
    keras.backend.clear_session()
    gc.collect()


@contextlib.contextmanager
def _directories_are_below_out():
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace("--run_dir", "--out")) from error


@contextlib.contextmanager
def _printed_to(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_is_not_of_retracing)
    with open(path, "a", buffering=1) as file:
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            try:
                yield
            finally:
                logger.removeFilter(_is_not_of_retracing)


def _is_not_of_retracing(record):
    """TensorFlow warns where a function is traced often: here each run does so, with its own."""
    return "retracing" not in record.getMessage()


@contextlib.contextmanager
def _interruptible():
    """SIGTERM is as Ctrl-C; gives `f()`, whether one of them came.

    A loop has handlers of its own, and finishes a run that one of them interrupts in the last step.
    """
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    usual = signal.signal(signal.SIGTERM, signal.default_int_handler)
    usual_wakeup = signal.set_wakeup_fd(write)

    def came():
        try:
            return bool({signal.SIGINT, signal.SIGTERM} & set(os.read(read, 1024)))
        except BlockingIOError:  # no signal
            return False

    try:
        yield came
    finally:
        signal.set_wakeup_fd(usual_wakeup)
        signal.signal(signal.SIGTERM, usual)
        os.close(read)
        os.close(write)
