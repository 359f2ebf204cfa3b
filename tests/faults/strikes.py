"""A signal at a moment of a program's life, and what the program may say of it."""

import os
import pathlib
import re
import signal
import time

from tests.calls import ROOT
from tests.faults.runs import is_one_line, is_over

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
EARLY = "while Python itself starts"  # where it says what it likes
# What a program imports before it comes to handle signals.
_FIRST = ("harness/__init__.py", "harness/errors.py", "harness/program.py")


def strike(call, command, number, until):
    """Starts a program and sends it a signal.

    Args:
        call: `Processes`, or a `tests.calls.Calls`.
        command: its name and arguments.
        number: of the signal.
        until: function without arguments that waits for the moment; it returns whether to go on
            waiting.

    Returns:
        Its exit code, its standard error, and whether the signal came before it ended.
    """
    process = call.start(*command)
    while not is_over(process) and until():
        time.sleep(0.0005)
    came = not is_over(process)
    if came:
        _send(process, number)
    code, _, error = call.finish(process)
    return code, error, came and code != 0


def _send(process, number):
    """Sends a signal as a user does: Ctrl-C is for all processes of a terminal's foreground."""
    leads = os.getpgid(process) == process
    if leads and number == signal.SIGINT:
        os.killpg(process, number)
    else:
        os.kill(process, number)


def is_early(name, error):
    """Whether a program was interrupted before it came to handle signals."""
    files = [pathlib.Path(found) for found in re.findall(r'  File "([^"]+)"', error)]
    own = {str(file.relative_to(ROOT)) for file in files if file.is_relative_to(ROOT)}
    path = name.replace(".", "/")
    first = {f"{path}.py", f"{os.path.dirname(path)}/__init__.py", *_FIRST}
    return error.endswith("KeyboardInterrupt\n") and own <= first


def is_amiss(number, code, error):
    """Whether an interrupted program said or did anything but to end in one line, if in any."""
    if number == signal.SIGKILL or code == -number:  # as where nothing is left but to end
        return error != ""
    return not (is_one_line(error) or (code, error) == (0, ""))
