"""The directory of a run: its configuration and its history."""

import contextlib
import json
import pathlib
import re
import shutil

from harness.errors import Diverged, UserError
from harness.files import is_aside, sweep, write_whole, writing
from harness.outputs import check_directory
from harness.run import configuration, lock

# What runs and experiments have written since before what they write aside had a name of its own.
_WRITTEN = re.compile(
    r"\.?config\.json|data\.json|metrics\.jsonl|scaling\.npz|best\.keras|curves\.png"
    r"|model(_folded)?|generator|evaluation(_\w+)?\.json|diverged\.json|result\.json"
    r"|\d{7,}\.png|checkpoint|ckpt-\d+\.(jsonl|sha256)"
)


class RunDirectory:
    """A run's directory, of which the chief alone writes.

    Args:
        path: the directory.
        writes: whether this process writes to it.
    """

    def __init__(self, path, writes=True):
        self.path = pathlib.Path(path)
        self.writes = writes

    def __truediv__(self, name):
        return self.path / name

    def check(self, config, free=()):
        """Raises `UserError` if the directory holds something else, or another run.

        Args:
            config: dict of what determines the result.
            free: keys that may differ from one start of a run to the next.
        """
        known = self._known_config()
        if known is not None:
            self._compare(known, config, free)
        if self.writes:
            check_directory("run_dir", self.path)

    def differing(self, config, free=()):
        """The names of the settings in which a configuration is not that of the run there."""
        known = self._known_config()
        return set() if known is None else {name for name, *_ in _differences(known, config, free)}

    def begin(self, config, free=()):
        """Writes `config.json`, and its copy, after `check`."""
        self.check(config, free)
        if self.writes:
            configuration.write(self.path, config)

    @contextlib.contextmanager
    def locked(self):
        """Keeps the directory to this process, and sweeps up what dead ones have left in it.

        It makes the directory; one in which nothing was written is gone afterwards. So is all that
        was written where there was nothing before, if the run fails before its first checkpoint;
        but a run that diverged leaves its history.

        Raises:
            UserError: another process has it.
        """
        if not self.writes:
            yield
            return
        new = [path for path in (self.path, *self.path.absolute().parents) if not path.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            with lock.held(self / lock.NAME):
                for folder in (self.path, self / "samples", self / "checkpoints"):
                    sweep(folder, _WRITTEN)
                is_new = not self._contents()
                try:
                    yield
                except Diverged:
                    raise
                except Exception:
                    if is_new and not any((self / "checkpoints").glob("*.sha256")):
                        self._empty()
                    raise
        finally:
            with contextlib.suppress(OSError):  # It is not empty: the run has begun.
                for path in new:
                    path.rmdir()

    def config(self):
        """The configuration of the run that is there, a dict."""
        known = self._known_config()
        if known is None:
            raise UserError(f"There is no run in {self.path}: it has no config.json.")
        return known

    def evaluation(self, *words):
        """The file of what was measured of the run; `words` say what, if it is not its end."""
        return self / ("_".join(["evaluation", *words]) + ".json")

    def set_evaluations_aside(self, step):
        """Keeps these files by the step that the run was at, as it goes on."""
        for file in (*self.path.glob("evaluation.json"), *self.path.glob("evaluation_*.json")):
            kept = file.with_name(file.name.replace("evaluation", f"evaluation-{step}", 1))
            file.replace(kept)
            print(f"{file.name} is kept as {kept.name}.")

    def _unusable(self, error):
        return UserError(f"The run directory {self.path} cannot be used: {error}")

    def _known_config(self):
        try:
            there = self.path.exists() and (not self.path.is_dir() or any(self._contents()))
            known = configuration.read(self.path) if there else None
        except ValueError as error:
            raise UserError(
                f"{self / configuration.NAME} is damaged: {error}. Put it back from a copy, or use "
                "another --run_dir; nothing was changed."
            ) from error
        except OSError as error:
            raise self._unusable(error) from error
        if there and known is None:
            raise UserError(
                f"{self.path} is not empty and not the directory of a run (there is no config.json "
                "in it). Use another --run_dir."
            )
        return known

    def _contents(self):
        """What is in the directory, but for what a killed process may leave before it begins."""
        names = (path.name for path in self.path.iterdir())
        passing = (lock.NAME, configuration.COPY)
        return [name for name in names if name not in passing and not is_aside(name, _WRITTEN)]

    def _empty(self):
        for path in [self / name for name in (*self._contents(), configuration.COPY)]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _compare(self, known, config, free):
        differences = [
            f"{key}: {then!r} there, {now!r} now"
            for key, then, now in _differences(known, config, free)
        ]
        if differences:
            raise UserError(
                f"{self.path} holds a run with another configuration ({'; '.join(differences)}). "
                "Use another --run_dir, or the same flags as then."
            )


def _differences(known, config, free):
    """Triples of a key, its value there and its value now, where these differ."""
    return [
        (key, known.get(key), config.get(key))
        for key in sorted(known.keys() | config.keys())
        if key not in free and known.get(key) != config.get(key)
    ]


class History:
    """`metrics.jsonl`: a line of JSON a step that has something to tell, steps ascending.

    Args:
        run: the `RunDirectory`.
    """

    def __init__(self, run):
        self.path = run / "metrics.jsonl"
        self._writes = run.writes
        self._row = {}

    def rows(self):
        """The rows so far, a list of dicts: the lines that are whole, by their `step`."""
        return self._read()[0]

    def content(self):
        """What is in the file, bytes."""
        return self.path.read_bytes() if self.path.exists() else b""

    def truncate(self, step, copy=None):
        """Forgets what was written after `step`, the step that the run goes on from.

        Lines that cannot be read, as a last one that was cut off, go to `metrics.damaged.jsonl`.

        Args:
            step: that step.
            copy: what was in the file then, bytes, if that is known: it counts.
        """
        if not self._writes:
            return
        if not copy and step > 0 and not self.rows():
            print(f"{self.path} has no rows: what was measured before step {step} is lost.")
        if not copy and not self.path.exists():
            return
        rows, damaged = self._read()
        if damaged:
            aside = self.path.with_name("metrics.damaged.jsonl")
            lines = b"".join(line + b"\n" for _, line in damaged)
            _append(aside, lines)
            numbers = ", ".join(str(number) for number, _ in damaged[:5])
            more = ", ..." if len(damaged) > 5 else ""
            print(f"{self.path} is damaged: line {numbers}{more} went to {aside.name}.")
        kept = [json.dumps(row).encode() + b"\n" for row in rows if row["step"] <= step]
        if copy and copy != b"".join(kept):
            print(f"{self.path} is not what it was at step {step}: its copy of then is used.")
            kept = [copy]
        write_whole(self.path, b"".join(kept))

    def record(self, step, values):
        """Adds values, a dict, to the row of `step`."""
        if self._row and self._row["step"] != step:
            self.flush()
        self._row = {"step": step} | self._row | values

    def flush(self):
        """Appends the row to the file."""
        if self._row and self._writes:
            _append(self.path, json.dumps(self._row).encode() + b"\n")
        self._row = {}

    def _read(self):
        """The rows, and what is none, pairs of the number of a line and the line."""
        if not self.path.exists():
            return [], []
        rows, damaged = {}, []
        *lines, rest = self.path.read_bytes().split(b"\n")
        for number, line in enumerate([*lines, rest] if rest else lines, 1):
            row = _row(line)
            if row is None or row["step"] in rows:
                damaged.append((number, line))
            else:
                rows[row["step"]] = row
        return [rows[step] for step in sorted(rows)], damaged


def _row(line):
    """The row in a line, a dict, or None."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    step = row.get("step") if isinstance(row, dict) else None
    return row if type(step) is int and step >= 0 else None


def _append(path, data):
    with writing(path, len(data)), open(path, "ab") as file:
        file.write(data)
