"""What a training loop does beside its steps: functions of the step and its logs."""

import contextlib
import math
import shutil
import sys
import threading
import time

import numpy as np
import tensorflow as tf
import tqdm

from harness.errors import Diverged
from harness.figures import pictures
from harness.files import plain_name, writing

# Its own is one among processes, too: a semaphore, which is told of where a killed one leaves it.
tqdm.tqdm.set_lock(threading.RLock())

# Bytes of a number in a file of events, without its name.
_EVENT = 64


def every(period, last_step, action):
    """Does `action` at each `period`-th step, and at the last."""

    def act(step, logs):
        if step % period == 0 or step == last_step:
            action(step, logs)

    return act


class FiniteLosses:
    """Stops the run where a loss is not finite, and names the step.

    Losses are looked at now and then only, so that the device need not wait for the host; in
    between they are kept. A checkpoint is to be written after a look at the same step.

    Args:
        periods: steps from one look to the next, one or more numbers.
        last_step: of the run.
    """

    def __init__(self, periods, last_step):
        self._periods = periods
        self._last_step = last_step
        self._kept = []

    def __call__(self, step, logs):
        self._kept.append((step, logs))
        if step == self._last_step or not all(step % period for period in self._periods):
            self.look()

    def look(self):
        """Raises `Diverged` if a loss since the last look is not finite."""
        kept, self._kept = self._kept, []
        for step, logs in kept:
            for name, value in logs.items():
                if not math.isfinite(float(value)):
                    raise Diverged(
                        f"{name} is {float(value)} at step {step}: the run stops, and its last "
                        "checkpoint is from before. A smaller learning rate may help."
                    )


class Log:
    """Writes the losses to the history and to TensorBoard, and says them on the screen."""

    def __init__(self, history, board, screen):
        self._history = history
        self._board = board
        self._screen = screen

    def __call__(self, step, logs):
        values = {name: float(value) for name, value in logs.items()}
        self._history.record(step, values)
        self._board.scalars(step, values)
        self._screen.losses(step, values)


class Screen:
    """Progress: a bar where a person watches, plain lines where not, nothing if not the chief."""

    def __init__(self, first_step, last_step, quiet=False):
        self._quiet = quiet
        self._first_step, self._last_step = first_step, last_step
        self._start = time.monotonic()
        watched = sys.stderr.isatty() and not quiet
        self._bar = (
            tqdm.tqdm(initial=first_step, total=last_step, unit="step", smoothing=0.1)
            if watched
            else None
        )

    def __call__(self, step, logs):
        if self._bar is not None:
            self._bar.update(step - self._bar.n)

    def losses(self, step, values):
        said = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        if self._bar is not None:
            self._bar.set_postfix_str(said)
        elif not self._quiet:
            pace = (time.monotonic() - self._start) / max(step - self._first_step, 1)
            left = tqdm.tqdm.format_interval(pace * (self._last_step - step))
            self.say(
                f"step {step}/{self._last_step}  {said}  {pace * 1e3:.0f} ms/step  {left} left"
            )

    def say(self, text):
        if not self._quiet:
            tqdm.tqdm.write(text)
            sys.stdout.flush()

    def close(self):
        if self._bar is not None:
            self._bar.close()


class Progress:
    """`f(done, total)` that shows how far a long computation is, if it is long.

    Args:
        what: what is counted, as "images of digits test".
    """

    def __init__(self, what, seconds=10.0):
        self._what = what
        self._seconds = seconds
        self._said = time.monotonic()
        self._bar = None

    def __call__(self, done, total):
        if sys.stderr.isatty():
            if self._bar is None:
                self._bar = tqdm.tqdm(total=total, desc=self._what, leave=False, delay=1.0)
            self._bar.update(done - self._bar.n)
            if done == total:
                self._bar.close()
        elif time.monotonic() - self._said > self._seconds:
            self._said = time.monotonic()
            print(f"{self._what}: {done}/{total}", flush=True)


class Board:
    """TensorBoard events in a directory, from `restart` on; nowhere if not the chief."""

    def __init__(self, directory, writes=True):
        self._directory = directory
        self._writes = writes
        self._writer = tf.summary.create_noop_writer()
        self._size = 0  # bytes, about, of what was given and may not be on the disk
        self._name = contextlib.ExitStack()

    def restart(self, rows, samples=None):
        """Writes the events anew, from the history's rows and the pictures in `samples`, if any.

        TensorBoard shows what is in the files: a run that goes on would show steps twice.
        """
        if not self._writes:
            return
        shutil.rmtree(self._directory, ignore_errors=True)
        with writing(self._directory, _EVENT * (1 + sum(map(len, rows)))):
            self._directory.mkdir(parents=True)
            self._writer = tf.summary.create_file_writer(
                self._name.enter_context(plain_name(self._directory))
            )
        for row in rows:
            self.scalars(row["step"], {k: v for k, v in row.items() if isinstance(v, float)})
            picture = samples and samples / f"{row['step']:07d}.png"
            if picture and picture.exists():
                try:
                    self.image(row["step"], "samples", pictures.read_png(picture))
                except ValueError as error:
                    print(f"{error}: TensorBoard is without it.")

    def scalars(self, step, values):
        self._size += sum(_EVENT + len(name) for name in values)
        with writing(self._directory, self._size), self._writer.as_default(_kept_by_none(step)):
            for name, value in values.items():
                tf.summary.scalar(name, np.float32(value))

    def image(self, step, name, pixels):
        self._size += _EVENT + math.prod(pixels.shape)
        with writing(self._directory, self._size), self._writer.as_default(_kept_by_none(step)):
            tf.summary.image(name, pixels[tf.newaxis])

    def flush(self):
        with writing(self._directory, self._size):
            self._writer.flush()
        self._size = 0


def _kept_by_none(step):
    # Of a number of Python's TensorFlow keeps a tensor until the process ends.
    return np.asarray(step, np.int64)


class Samples:
    """Draws the same samples each time as a grid: `samples/<step>.png`, and TensorBoard.

    Args:
        run: the `RunDirectory`.
        board: the `Board`.
        draw: function without arguments to images (n, h, w, channels) in [-1, 1].
    """

    def __init__(self, run, board, draw):
        self._run = run
        self._board = board
        self._draw = draw

    def __call__(self, step, logs=None):
        pixels = pictures.image_grid(self._draw())
        if self._run.writes:
            pictures.write_png(self._run / "samples" / f"{step:07d}.png", pixels)
        self._board.image(step, "samples", pixels)


class Evaluate:
    """Measures, and writes numbers to the history and to TensorBoard.

    Args:
        measure: function without arguments to a dict of values.
        describe: function from that dict to the text for the screen.
        history, board, screen: where it goes.
    """

    def __init__(self, measure, describe, history, board, screen):
        self._measure = measure
        self._describe = describe
        self._history = history
        self._board = board
        self._screen = screen

    def __call__(self, step, logs=None):
        result = self._measure()
        self._history.record(step, result)
        numbers = {key: value for key, value in result.items() if isinstance(value, float)}
        self._board.scalars(step, numbers)
        self._screen.say(f"step {step}: {self._describe(result)}")
