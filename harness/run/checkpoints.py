"""The whole state of a run at its last few saves, and which of these are whole.

A checkpoint of step N is TensorFlow's `ckpt-N.index` and `ckpt-N.data-*`, the history up to then in
`ckpt-N.jsonl`, and `ckpt-N.sha256` with their checksums, which `sha256sum --check` reads, too. That
is written last: a checkpoint with it was written to its end. One without is from before there were
any, and is read to its end instead. Until the first is whole there is `none_yet`: a run that has
come further than its start, and has neither, has lost its checkpoints.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import tempfile

import tensorflow as tf

from harness.datasets.damage import reason
from harness.errors import UserError
from harness.files import plain_name, write_whole, writing
from harness.networks import size_in_bytes

_PART = re.compile(r"ckpt-(\d+)\.(?:index|jsonl|sha256|data-\d{5}-of-\d{5})")
_UNFINISHED = re.compile(r"ckpt-\d+_temp.*")
_NONE_YET = "none_yet"
_SUM = re.compile(r"([0-9a-f]{64})  (ckpt-\d+\.\S+)")


class Checkpoints:
    """The checkpoints of a run, in its `checkpoints/`.

    Args:
        run: the `RunDirectory`.
        history, board: written out before a checkpoint is, so that none is ahead of them.
        keep: number of checkpoints that are kept; None: all.
        **state: what to keep, by name: models, optimizers.
    """

    def __init__(self, run, history, board, keep=2, **state):
        self._history = history
        self._board = board
        self._keep = keep
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._state = state.values()
        self._checkpoint = tf.train.Checkpoint(step=self._step, **state)
        self._saved = self._own = run / "checkpoints"
        self._damaged = set()
        self._writes = run.writes
        if not run.writes:
            # Every worker has to take part in saving; what the others write is for nobody.
            self._aside = tempfile.TemporaryDirectory()
            self._own = pathlib.Path(self._aside.name)
            self._keep = 1

    def restore(self, has_begun=False):
        """Goes back to the newest whole checkpoint, if there is any, and returns its step, else 0.

        Args:
            has_begun: whether what else is there is of a run that has come further than its start.

        Raises:
            UserError: there are checkpoints, and none is whole; or they are of something else; or
                there were some.
        """
        amiss = []
        for step in reversed(steps(self._saved)):
            said = damage(self._saved, step)
            if said is None:
                self._go_back(step, amiss)
                return step
            self._damaged.add(step)
            amiss.append(f"ckpt-{step} ({said})")
        if amiss:
            raise UserError(
                f"No checkpoint in {self._saved} is whole: {', '.join(amiss)}. Put one back from a "
                "copy, or use another --run_dir; nothing was changed."
            )
        has_begun = has_begun and not (self._saved / _NONE_YET).exists()
        if has_begun or (self._saved / "checkpoint").exists():
            raise UserError(
                f"The checkpoints in {self._saved} are gone, and other files of the run are there. "
                "Put them back, or use another --run_dir; nothing was changed."
            )
        return 0

    def begin(self):
        """Notes that there are none yet, before the first step: else they would be gone."""
        if self._writes:
            write_whole(self._saved / _NONE_YET, "No checkpoint has been written yet.\n")

    def history(self, step):
        """The history at a checkpoint, as bytes; None: there is none that is whole."""
        name = f"ckpt-{step}.jsonl"
        sum, file = _read_sums(self._saved, step).get(name), self._saved / name
        return file.read_bytes() if sum and file.exists() and _sum(file) == sum else None

    def __call__(self, step, logs=None):
        self._history.flush()
        self._board.flush()
        self._step.assign(step)
        remove(self._own, step)
        try:
            with writing(self._own / f"ckpt-{step}", size_in_bytes(*self._state)):
                self._own.mkdir(parents=True, exist_ok=True)
                with plain_name(self._own) as name:
                    self._checkpoint.write(f"{name}/ckpt-{step}")
                if self._writes:
                    write_whole(self._own / f"ckpt-{step}.jsonl", self._history.content())
                _write_sums(self._own, step)
        except BaseException:
            remove(self._own, step)
            raise
        self._damaged.discard(step)
        self._have_one()
        self._forget(step)
        if not self._writes:  # Nothing of it stays behind, however this process ends.
            remove(self._own, step)

    def _go_back(self, step, amiss):
        if amiss and self._writes:
            print(f"Going back to ckpt-{step}, as what is newer is not whole: {', '.join(amiss)}.")
        read(self._checkpoint, self._saved, step)
        if int(self._step) != step:
            raise UserError(f"{self._saved}/ckpt-{step} is of step {int(self._step)}.")
        if self._writes:
            self._have_one()
            _sweep(self._saved)

    def _have_one(self):
        (self._own / _NONE_YET).unlink(missing_ok=True)

    def _forget(self, last):
        """Removes all but the last few checkpoints up to the step `last`."""
        there = [step for step in steps(self._own) if step <= last]
        kept = [step for step in there if step not in self._damaged]
        if self._keep is not None:
            kept = kept[-self._keep :]
            for step in set(there) - set(kept):
                remove(self._own, step)
        # For TensorFlow's own tools, as tf.train.latest_checkpoint.
        names = [f'all_model_checkpoint_paths: "ckpt-{step}"\n' for step in kept]
        text = f'model_checkpoint_path: "ckpt-{last}"\n{"".join(names)}'
        write_whole(self._own / "checkpoint", text)


def newest(folder):
    """The step of the newest whole checkpoint in a folder; raises `UserError` if there is none."""
    for step in reversed(steps(folder)):
        if damage(folder, step) is None:
            return step
    raise UserError(f"There is no whole checkpoint in {folder}.")


def read_weights(run_dir, **models):
    """Gives models the weights that they have in a run's newest whole checkpoint.

    Args:
        run_dir: directory of the run.
        **models: by their names in its checkpoints.

    Returns:
        The step of the checkpoint.

    Raises:
        UserError: there is none, or it is of other networks.
    """
    folder = pathlib.Path(run_dir) / "checkpoints"
    step = newest(folder)
    status = read(tf.train.Checkpoint(**models), folder, step)
    try:
        status.assert_existing_objects_matched()
    except AssertionError as error:
        raise UserError(
            f"The checkpoint {folder}/ckpt-{step} is of other networks: {reason(error)}"
        ) from error
    status.expect_partial()
    return step


def steps(folder):
    """The steps of the checkpoints in a folder of which any part is there, ascending."""
    found = (_PART.fullmatch(name) for name in _names(folder))
    return sorted({int(part[1]) for part in found if part})


def last_written(folder):
    """The step of the newest checkpoint that was written to its end, 0 if there is none."""
    sums = (re.fullmatch(r"ckpt-(\d+)\.sha256", name) for name in _names(folder))
    return max((int(found[1]) for found in sums if found), default=0)


def damage(folder, step):
    """What is amiss with a checkpoint, in words; None: it is whole."""
    index = f"ckpt-{step}.index"
    if not (folder / index).exists():
        return f"{index} is missing"
    sums = _read_sums(folder, step)
    for name, sum in sums.items():
        if name.endswith(".jsonl"):  # a copy, which a run can do without
            continue
        file = folder / name
        if not file.exists():
            return f"{name} is missing"
        if _sum(file) != sum:
            return f"{name} is not what was written" if file.stat().st_size else f"{name} is empty"
    return None if index in sums else _read_back(folder, step)


def read(checkpoint, folder, step):
    """Reads a `tf.train.Checkpoint` and returns TensorFlow's status of it; raises `UserError`."""
    try:
        with plain_name(folder) as name:
            return checkpoint.read(f"{name}/ckpt-{step}")
    except (tf.errors.OpError, ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"The checkpoint {folder}/ckpt-{step} is whole, and cannot be read into these "
            f"networks: {reason(error)}"
        ) from error


def remove(folder, step):
    """Removes a checkpoint, if it is there, and what is there of one that was not finished."""
    # Its checksums last: while they are there, it is known to be no longer whole.
    for part in sorted(_parts(folder, step), key=lambda part: part.suffix == ".sha256"):
        part.unlink(missing_ok=True)
    _sweep(folder, f"ckpt-{step}_temp")


def _parts(folder, step):
    names = _names(folder)
    return [folder / n for n in names if _PART.fullmatch(n) and n.startswith(f"ckpt-{step}.")]


def _names(folder):
    with contextlib.suppress(FileNotFoundError):
        return os.listdir(folder)
    return []


def _sweep(folder, beginning=""):
    """Removes what writing has left that did not come to its end."""
    for name in _names(folder):
        if name.startswith(beginning) and _UNFINISHED.fullmatch(name):
            shutil.rmtree(folder / name, ignore_errors=True)


def _write_sums(folder, step):
    lines = [f"{_sum(part, sync=True)}  {part.name}\n" for part in sorted(_parts(folder, step))]
    write_whole(folder / f"ckpt-{step}.sha256", "".join(lines))


def _read_sums(folder, step):
    """The checksums by the names of files; none if they are not there, or no checksums."""
    file = folder / f"ckpt-{step}.sha256"
    text = file.read_bytes().decode(errors="replace") if file.exists() else ""
    found = [_SUM.fullmatch(line) for line in text.splitlines()]
    return {line[2]: line[1] for line in found} if all(found) else {}


def _sum(path, sync=False):
    """The SHA-256 of a file, which is then on the disk if `sync`."""
    with open(path, "rb") as file:
        if sync:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_back(folder, step):
    """Reads all of a checkpoint, which has checksums of TensorFlow's own; as `damage`."""
    try:
        with plain_name(folder) as name:
            reader = tf.train.load_checkpoint(f"{name}/ckpt-{step}")
            for tensor in reader.get_variable_to_shape_map():
                reader.get_tensor(tensor)
    except Exception as error:  # Damaged files surface as one of many types.
        return reason(error) or type(error).__name__
    return None
