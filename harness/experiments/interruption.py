"""Ctrl-C and SIGTERM, where the work is done by another process."""

import signal


class Interruption:
    """While it is entered, Ctrl-C and SIGTERM are handed on to the process that works.

    Attributes:
        came: whether one of them did.
        process: the process that works, with a `terminate()`; None: this one, which the signal then
            interrupts.
    """

    def __init__(self):
        self.came = False
        self.process = None
        self._usual = {}

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self._usual[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_):
        for number, handler in self._usual.items():
            signal.signal(number, handler)

    def _on_signal(self, number, frame):
        self.came = True
        if self.process is None:
            raise KeyboardInterrupt
        self.process.terminate()
