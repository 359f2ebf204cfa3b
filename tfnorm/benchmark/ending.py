"""Ctrl-C and SIGTERM end the benchmark in one line, and what it has written stays whole."""

import contextlib
import os
import pathlib
import signal
import sys
import types


def handle_signals() -> None:
    """From here on Ctrl-C and SIGTERM end the process by `interrupt`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell's `&` has it
            signal.signal(number, interrupt)


def interrupt(number: int, frame: types.FrameType | None) -> None:
    """Ends the process at once, in one line: TensorFlow would drop an exception, or make another.

    What was printed is flushed.
    """
    with contextlib.suppress(Exception):  # It may have come while this was written.
        sys.stdout.flush()
    with contextlib.suppress(OSError):  # Standard error may be closed.
        os.write(2, b"error: Interrupted.\n")
    os._exit(1)


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file aside and renames it: where that fails, what was there before is there.

    Raises:
        OSError: it cannot be written; the message names it.
    """
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.aside")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(data)
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise OSError(f"{path} cannot be written: {error.strerror}.") from error
