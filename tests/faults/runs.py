"""Runs of both programs, as small as they come, and whether two of them came to the same."""

import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import typing
import zipfile

import h5py
import numpy as np
import tensorflow as tf

from harness.files import is_aside
from harness.run import lock
from harness.run.checkpoints import steps
from tests.calls import ROOT, environment


class Program(typing.NamedTuple):
    """A program that trains, and what its smallest run is.

    Attributes:
        name: as `python -m NAME` has it.
        flags: of the run, but for its directory.
        exports: directories of SavedModels that it writes.
    """

    name: str
    flags: tuple[str, ...]
    exports: tuple[str, ...]

    def command(self, run):
        """Its arguments for a run in the directory `run`."""
        return [self.name, *self.flags, f"--run_dir={run}"]


_COMMON = ("--preset=quickstart", "--deterministic")
PROGRAMS = {
    "gan": Program(
        "gan.train",
        (
            *_COMMON,
            *("--generator_filters=8", "--discriminator_filters=8", "--batch_size=8"),
            *("--steps=24", "--log_every=2", "--checkpoint_every=3"),
            *("--eval_every=8", "--eval_samples=80"),
        ),
        ("generator",),
    ),
    "classify": Program(
        "classify.train",
        (
            *_COMMON,
            *("--width=16", "--depth=2", "--group_size=4", "--batch_size=64", "--fold"),
            *("--steps=60", "--log_every=2", "--checkpoint_every=5", "--eval_every=20"),
        ),
        ("model_folded", "model"),
    ),
}

# Seconds that what was killed may take to leave.
_PATIENCE = 60.0


class Processes:
    """Starts programs as `tests.calls.Calls` does, each as a user would: imports included.

    Each leads a session of its own, as that of a terminal.

    Args:
        folder: for what they print, for caches and temporary files.
    """

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._running = {}
        self._said = {}  # of those that have ended, on standard error, by number

    def start(self, name, *arguments):
        """Begins a program; returns the number of its process."""
        count = len(self._running) + len(self._said)
        files = [open(self._folder / f"{count}.{kind}", "w+") for kind in ("out", "error")]
        process = subprocess.Popen(
            [sys.executable, "-m", name, *arguments],
            cwd=ROOT,
            env=environment(self._folder),
            stdout=files[0],
            stderr=files[1],
            start_new_session=True,
            # A shell has its background processes ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self._running[process.pid] = process, files
        return process.pid

    def finish(self, number):
        """Waits for a process; returns its exit code, standard output and standard error."""
        process, files = self._running.pop(number)
        said = []
        code = process.wait()
        for file in files:
            file.seek(0)
            said.append(file.read())
            file.close()
        self._said[number] = files[1].name, said[1]
        return code, *said

    def aftermath(self):
        """What ended processes have left running, and what that has said since, in words.

        Who saves before it leaves is given a while: on a machine that is busy it needs one.
        """
        end = time.monotonic() + _PATIENCE
        while (left := _of_sessions(self._said)) and time.monotonic() < end:
            time.sleep(0.1)
        found = [f"process {each} is left" for each in left]
        for name, text in self._said.values():
            since = pathlib.Path(name).read_text().removeprefix(text)
            if since:
                found.append(f"it says at last {since[-300:]!r}")
        return found

    def __call__(self, name, *arguments):
        """Exit code, standard output and standard error of a program."""
        return self.finish(self.start(name, *arguments))


def whole_run(program, call, folder):
    """The directory of a run that nothing came between, in `folder`, made if it is not there."""
    run = folder / "whole"
    if not run.exists():
        code, _, error = call(*program.command(run))
        assert (code, error) == (0, ""), error
    return run


def is_over(number):
    """Whether the process of this number has ended; nobody need have waited for it."""
    return _status(number)[0] == "Z"


def _of_sessions(leaders):
    """The processes of some sessions, by the numbers of the processes that lead or led them."""
    numbers = [int(path.name) for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]
    states = {number: _status(number) for number in numbers}
    return [n for n, state in states.items() if state[0] != "Z" and int(state[3]) in leaders]


def _status(number):
    """State, parent, group, session and so on of a process; "Z" if it has ended."""
    try:
        return pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["Z", "0", "0", "0"]


def differences(program, run, whole):
    """What of a complete run is not as in another that nothing came between, in words.

    Rows of the history and weights, of the last checkpoint, of exports and of best.keras, have to
    be the same to the last bit, and nothing is to be left aside.
    """
    found = []
    if (run / "metrics.jsonl").read_bytes() != (whole / "metrics.jsonl").read_bytes():
        found.append("metrics.jsonl differs")
    for name, tensors in _weights(program, whole).items():
        if not _are_same(tensors, _weights(program, run)[name]):
            found.append(f"the weights of {name} differ")
    return found + [f"{name} is left" for name in leftovers(run)]


def weights_differ(program, run, whole):
    """Names of what has other weights in one of two complete runs."""
    ours, theirs = _weights(program, run), _weights(program, whole)
    return [name for name in theirs if not _are_same(theirs[name], ours[name])]


def leftovers(run):
    """Names of what was written aside, and of what only a process that works has."""
    names = [str(path.relative_to(run)) for path in run.rglob("*")]
    last = [name.rpartition("/")[2] for name in names]
    pairs = zip(names, last, strict=True)
    return [name for name, own in pairs if is_aside(own) or own == lock.NAME or "_temp" in own]


def is_one_line(error):
    """Whether what was said on standard error is a line of `harness.program`."""
    return error.startswith("error: ") and error.count("\n") == 1


def steps_of(run):
    """The steps of the rows of a run's history."""
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def _weights(program, run):
    """Arrays by name, by what has them."""
    last = steps(run / "checkpoints")[-1]
    found = {f"ckpt-{last}": checkpoint(run / "checkpoints" / f"ckpt-{last}")}
    for name in program.exports:
        # Keras numbers them as they come out of a set.
        arrays = checkpoint(run / name / "variables" / "variables").values()
        found[name] = dict(enumerate(sorted(np.asarray(array).tobytes() for array in arrays)))
    if (run / "best.keras").exists():
        found["best.keras"] = keras_file(run / "best.keras")
    return found


def checkpoint(path):
    """The tensors of a checkpoint, or of a SavedModel's variables, by name."""
    reader = tf.train.load_checkpoint(os.fspath(path))
    names = sorted(reader.get_variable_to_shape_map())
    return {name: reader.get_tensor(name) for name in names if not name.startswith("_CHECKPOINT")}


def keras_file(path):
    """The weights in a `.keras` file, by name."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with zipfile.ZipFile(path) as archive:
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            file.visititems(visit)
    return found


def _are_same(some, others):
    return some.keys() == others.keys() and all(
        np.asarray(some[name]).tobytes() == np.asarray(others[name]).tobytes() for name in some
    )
