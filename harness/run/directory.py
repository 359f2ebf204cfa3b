"""The directory of a run: its configuration and its history."""

import json
import os
import pathlib

from harness.errors import UserError
from harness.files import write_whole


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
        there = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        if self.writes and not os.access(there, os.W_OK):
            raise self._unusable(f"{there} is not writable")

    def begin(self, config, free=()):
        """Writes `config.json`, after `check`."""
        self.check(config, free)
        if self.writes:
            try:
                write_whole(self / "config.json", json.dumps(config, indent=2) + "\n")
            except OSError as error:
                raise self._unusable(error) from error

    def config(self):
        """The configuration of the run that is there, a dict."""
        known = self._known_config()
        if known is None:
            raise UserError(f"There is no run in {self.path}: it has no config.json.")
        return known

    def _unusable(self, error):
        return UserError(f"The run directory {self.path} cannot be used: {error}")

    def _known_config(self):
        file = self / "config.json"
        try:
            if file.exists():
                return dict(json.loads(file.read_text()))
            foreign = self.path.exists() and (not self.path.is_dir() or any(self._contents()))
        except (TypeError, ValueError) as error:
            raise UserError(f"{file} is damaged: {error}. Use another --run_dir.") from error
        except OSError as error:
            raise self._unusable(error) from error
        if foreign:
            raise UserError(
                f"{self.path} is not empty and not the directory of a run (there is no config.json "
                "in it). Use another --run_dir."
            )
        return None

    def _contents(self):
        """What is in the directory, but for what a killed `write_whole` left aside."""
        return [path for path in self.path.iterdir() if not path.name.startswith(".config.json.")]

    def _compare(self, known, config, free):
        differences = [
            f"{key}: {known.get(key)!r} there, {config.get(key)!r} now"
            for key in sorted(known.keys() | config.keys())
            if key not in free and known.get(key) != config.get(key)
        ]
        if differences:
            raise UserError(
                f"{self.path} holds a run with another configuration ({'; '.join(differences)}). "
                "Use another --run_dir, or the same flags as then."
            )


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
        """The rows so far, a list of dicts; a last line that was cut off is not one."""
        if not self.path.exists():
            return []
        rows = []
        for line in self.path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def truncate(self, step):
        """Forgets what was written after `step`, the step that the run goes on from."""
        if self._writes and self.path.exists():
            rows = [row for row in self.rows() if row["step"] <= step]
            write_whole(self.path, "".join(json.dumps(row) + "\n" for row in rows))

    def record(self, step, values):
        """Adds values, a dict, to the row of `step`."""
        if self._row and self._row["step"] != step:
            self.flush()
        self._row = {"step": step} | self._row | values

    def flush(self):
        """Appends the row to the file."""
        if self._row and self._writes:
            with open(self.path, "a") as file:
                file.write(json.dumps(self._row) + "\n")
        self._row = {}
