"""How long the processes of a cluster wait, and how often they say so."""

import time
import typing


class Patience(typing.NamedTuple):
    """Seconds.

    Attributes:
        look: from one look at what there is to do to the next.
        beat: from one sign of life to the next.
        silence: without one until it is this process that TensorFlow has lost, where it lost one.
        first, again: until it is said that others are waited for, and from then on.
        lost, left, over: for the main thread to leave by itself where another process is lost, has
            left, or needs the others no longer.
        verdict: to find out whom TensorFlow has lost.
    """

    look: float = 0.1
    beat: float = 1.0
    silence: float = 5.0
    first: float = 1.0
    again: float = 20.0
    lost: float = 2.0
    left: float = 5.0
    over: float = 60.0
    verdict: float = 12.0


class Reminder:
    """Tells when it is time to say something again."""

    def __init__(self, patience):
        self._start = time.monotonic()
        self._next, self._again = self._start + patience.first, patience.again

    @property
    def age(self):
        """Seconds since it was made."""
        return time.monotonic() - self._start

    def due(self):
        """Tells whether it is time; then it is not for a while."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._again
        return True
