"""The training loop, and leaving it in good order."""

import contextlib
import signal

from harness.errors import Interrupted


def run(take_step, batches, actions, first_step, last_step, on_interrupt, agree=bool):
    """Takes steps, and after each of them the actions.

    Args:
        take_step: `f(step, batch) -> logs`, a dict of scalar tensors.
        batches: iterator of what a step takes.
        actions: list of `f(step, logs)`, step counting the steps that were taken.
        first_step: steps that were taken before.
        last_step: steps to take in all.
        on_interrupt: `f(step)`, called where Ctrl-C or SIGTERM came, before the program leaves.
        agree: `f(interrupted) -> bool`, asked after each step: of several processes that step
            together none may leave alone, see `strategies.agreement`.

    Raises:
        Interrupted: the run was.
    """
    with _interruptible() as interrupted:
        for step in range(first_step, last_step):
            logs = take_step(step, next(batches))
            for action in actions:
                action(step + 1, logs)
            if agree(interrupted) and step + 1 < last_step:
                with _held_back():
                    on_interrupt(step + 1)
                raise Interrupted(
                    f"Interrupted at step {step + 1} of {last_step}, which is saved. "
                    "The same command goes on from there."
                )


@contextlib.contextmanager
def _interruptible():
    """A list that is empty until Ctrl-C or SIGTERM comes; the second one is the usual one."""
    came = []

    def on_signal(number, frame):
        came.append(number)
        signal.signal(number, usual[number])

    with _handled_by(on_signal) as usual:
        yield came


def _held_back():
    """Lets no signal interrupt: who waits for a long step may press Ctrl-C more than twice."""
    return _handled_by(lambda number, frame: None)


@contextlib.contextmanager
def _handled_by(handler):
    """Sets a handler of Ctrl-C and SIGTERM, and gives the handlers until then, a dict."""
    usual = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            usual[number] = signal.signal(number, handler)
        yield usual
    finally:
        for number, before in usual.items():
            signal.signal(number, before)
