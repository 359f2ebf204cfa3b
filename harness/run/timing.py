"""How long a run waits for its data."""

import time


class Waiting:
    """An iterator that knows how long it was waited for.

    Attributes:
        seconds: spent in `next`, but for the first, which starts the pipeline.
    """

    def __init__(self, iterator):
        self._iterator = iterator
        self._started = False
        self.seconds = 0.0

    def __iter__(self):
        return self

    def __next__(self):
        start = time.perf_counter()
        value = next(self._iterator)
        if self._started:
            self.seconds += time.perf_counter() - start
        self._started = True
        return value
