"""The processes that train together: they meet, compare what they have, and watch each other.

TensorFlow waits for ever for a process that does not start, trains on in silence where processes
have other flags, and tells of a lost one in sixty lines or not at all.
"""

import contextlib
import os
import sys
import time

import tensorflow as tf

from harness.errors import Interrupted, UserError
from harness.run.alike import check_alike
from harness.run.messages import shown
from harness.run.patience import Patience, Reminder
from harness.run.post import CHIEF, Post

# What TensorFlow raises where a process does not answer.
_LOST_CONTACT = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


class Alone(contextlib.nullcontext):
    """A process that trains by itself: there is nobody to compare with, and nothing to say."""

    advice = None

    def compare(self, facts):
        """Does nothing."""

    def say(self, text):
        """Does nothing."""

    def done(self):
        """Does nothing."""


def tell(text):
    """Says a line at once."""
    print(text, flush=True)


def leave(line):
    """Ends the process, whose main thread may wait in TensorFlow for ever, with one line."""
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, f"error: {line}\n".encode(errors="backslashreplace"))
    os._exit(1)


class Workers:
    """The processes of a cluster, seen from one of them, from `meet` to `done`.

    As a context it tells the others how this process leaves.

    Args:
        cluster: the `Cluster`.
        limit: seconds that one that does not start, or not answer, is waited for.
        tell: `f(text)`, what says a line.
        end: `f(line)`, what ends the process where the main thread does not.
        patience: the `Patience`.

    Attributes:
        cluster: as given.
        post: the `Post`, what passes between them.
        advice: function without arguments to what to do where one is lost, in words.
    """

    def __init__(self, cluster, limit, tell=tell, end=leave, patience=None):
        self.advice = lambda: "Start all workers again."
        self.cluster, self._limit, self._tell, self._end = cluster, limit, tell, end
        self._patience = patience or Patience()
        self._is_chief = cluster.own == CHIEF
        self._others = set(range(len(cluster.tasks))) - {cluster.own}
        self.post = Post(
            cluster, self._patience, self._heed, self._end_of_link, self._fail, self._tick
        )
        self._given = {}  # of the chief: by round, what each has given, by position
        self._answers = {}  # by round, what all have given, a list
        self._rounds = 0
        self._fault = None  # the line about it, and when the process ends by it
        self._met = self._explains = self._closed = False

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        by_tensorflow = isinstance(error, _LOST_CONTACT)
        # As where a checkpoint cannot be written, in which all take part.
        if by_tensorflow or isinstance(getattr(error, "__cause__", None), _LOST_CONTACT):
            line = None if self._closed else self._explanation()
            if line is not None:
                self._close(bye=True)
                # Here, as TensorFlow may take a minute to be taken down where a process is lost.
                self._end(line)
                raise UserError(line) from error
        if error is None or isinstance(error, Interrupted):  # as all are, in the same step
            self.done()
        else:
            self._close(left=_line(kind, error))
            if by_tensorflow:
                raise UserError(
                    f"TensorFlow failed, though all workers are there: {_line(kind, error)}"
                ) from error

    def say(self, text):
        """Says a line that begins with which process this is, if it is not the chief."""
        if not self._is_chief:
            self._tell(f"{self.cluster.which(self.cluster.own)}: {text}")

    def meet(self, facts):
        """Waits until all processes are there, and compares.

        Args:
            facts: a dict of what must be the same on all, of what JSON has, by name.

        Raises:
            UserError: one did not start in time, or has other facts; the own port is in use, or
                another process has the same index.
        """
        with contextlib.ExitStack() as leaving:
            leaving.push(self)
            self.post.open()
            self.say(f"started, at {self.cluster.tasks[self.cluster.own].address}.")
            if not self._is_chief:
                self._reach_the_chief()
            self.post.start()
            self.compare(facts)
            self.say("all are there.")
            leaving.pop_all()

    def compare(self, facts):
        """Waits until all processes ask the same, and compares; see `meet`."""
        number, self._rounds = self._rounds, self._rounds + 1
        words = Reminder(self._patience)
        with self.post.changed:
            if self._is_chief:
                self._take(number, CHIEF, facts)
            else:
                self.post.send(round=number, facts=facts)
            while number not in self._answers and self._fault is None:
                self.post.changed.wait(self._patience.look)
                if self._is_chief:
                    self._await(self._others - self._given[number].keys(), words)
            if number not in self._answers:
                raise UserError(self._fault[0])
        try:
            check_alike(self.cluster, self._answers[number])
        except UserError:
            self.done()  # The others find the same.
            raise

    def done(self):
        """Ends the watch: this process needs the others no longer."""
        self._close(bye=True)

    # What the main thread does.

    def _reach_the_chief(self):
        words = Reminder(self._patience)
        while True:
            why = self.post.connect()
            if why is None:
                return
            if words.age > self._limit:
                raise UserError(f"{self.cluster.late([CHIEF], self._limit)}.")
            if words.due():
                self._tell(f"{self.cluster.waiting([CHIEF])} ({why})")
            time.sleep(self._patience.look)

    def _await(self, awaited, words):
        """Says, as the chief, who is waited for, if that is due; ends it if it is too late."""
        absent = self._others - self.post.present()
        if not self._met and absent and words.age > self._limit:
            self._fail(f"{self.cluster.late(absent, self._limit)}.")
        elif awaited and words.due():
            self._tell(self.cluster.waiting(awaited))
            self.post.send(awaited=sorted(awaited))

    def _explanation(self):
        """Whom TensorFlow has lost, a line; None: all are there."""
        end = time.monotonic() + self._patience.verdict
        with self.post.changed:
            self._explains = True
            while self._fault is None and time.monotonic() < end:
                self.post.changed.wait(self._patience.look)
                self._lose_silent(self._patience.silence)
            self._explains = self._fault is not None
            return self._fault[0] if self._explains else None

    def _close(self, **last_words):
        with self.post.changed:
            if not self._closed:
                self._closed = True
                if "left" in last_words:
                    last_words = {"left": self.cluster.own, "reason": last_words["left"]}
                self.post.send(**last_words)
                self.post.close()

    # What the thread does that listens to the others.

    def _heed(self, position, message):
        if "facts" in message and self._is_chief:
            self._take(message["round"], position, message["facts"])
        elif "all" in message:
            self._answers[message["round"]] = message["all"]
        elif "awaited" in message:
            awaited = [i for i in message["awaited"] if i != self.cluster.own]
            if awaited:
                self._tell(self.cluster.waiting(awaited))
        elif "failed" in message:
            self._fail(shown(message["failed"]))
        elif "lost" in message:
            self._lose(message["lost"], shown(message["why"]))
        elif "left" in message:
            self._leave_behind(message["left"], shown(message["reason"]))
        elif "bye" in message:
            # Not that it is lost: this one may be a little behind.
            self._set_fault(position, "needs the others no longer", self._patience.over)

    def _take(self, number, position, facts):
        """Keeps, as the chief, what a process gives, and answers where it was the last to."""
        given = self._given.setdefault(number, {})
        given[position] = facts
        if given.keys() == self._others | {CHIEF}:
            self._met = True
            self._answers[number] = [given[i] for i in sorted(given)]
            self.post.send(round=number, all=self._answers[number])

    def _end_of_link(self, position, why):
        if self._met or not self._is_chief:
            self._lose(position, why)
        else:  # It may be started again.
            for given in self._given.values():
                given.pop(position, None)

    def _tick(self):
        self._lose_silent(self._limit)
        over = self._fault is not None and time.monotonic() > self._fault[1]
        if over and not self._explains and not self._closed:
            self._closed = True
            self._end(self._fault[0])

    # What can go wrong; the first counts, and the chief tells all.

    def _lose_silent(self, seconds):
        for position, age in self.post.silent(seconds).items():
            self._lose(position, f"it has not answered for {age:.0f} s")

    def _lose(self, position, why):
        if self._fault is None:  # It may be asleep, and is told, too.
            self.post.send(lost=position, why=why)
        own = position == self.cluster.own
        what = "was given up by the others" if own else "is lost"
        self._set_fault(position, f"{what}: {why}", self._patience.lost)

    def _leave_behind(self, position, reason):
        if self._is_chief and self._fault is None:
            self.post.send(left=position, reason=reason)
        if position != self.cluster.own:
            self._set_fault(position, f"has left: {reason}", self._patience.left)

    def _fail(self, line):
        if self._fault is None:
            if self._is_chief:
                self.post.send(failed=line)
            self._fault = (line, time.monotonic() + self._patience.left)

    def _set_fault(self, position, what, grace):
        if self._fault is None:
            task, stop = self.cluster.tasks[position], "" if what[-1] in ".?!" else "."
            line = f"{self.cluster.which(position)} ({task.address}) {what}{stop} {self.advice()}"
            self._fault = (line, time.monotonic() + grace)


def _line(kind, error):
    """An error in one line."""
    said = str(error) if isinstance(error, UserError) else f"{kind.__name__}: {error}"
    causes = [line for line in said.splitlines() if "aborted by" in line]
    return " ".join([*causes, said][0].split())[:500]
