"""Ctrl-C and SIGTERM, where the work is done by another process."""

import multiprocessing.resource_tracker
import os
import signal


def leave_group():
    """Leaves, in a process that was started by `Interruption.start`, the group of the other one.

    Ctrl-C at a terminal is not for it from then on; what came before is dropped.
    """
    os.setpgrp()
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, usual)


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
        self._starts = False

    def start(self, process):
        """Starts the process that works.

        What interrupts this one meanwhile is handed on as soon as the other is there. Ctrl-C at a
        terminal reaches that, too, until it has left this one's group: it is blocked there.
        """
        self._starts = True
        multiprocessing.resource_tracker.ensure_running()  # which would set what is blocked
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
            self.process = process
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            self._starts = False
        if self.came:
            process.terminate()

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self._usual[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_):
        for number, handler in self._usual.items():
            signal.signal(number, handler)

    def _on_signal(self, number, frame):
        self.came = True
        if self._starts:
            return
        if self.process is None:
            raise KeyboardInterrupt
        self.process.terminate()
