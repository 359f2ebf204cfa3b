"""Does a job in a process of its own: what it leaves in memory goes with the process."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading

from harness.errors import Diverged, UserError, of_memory
from harness.experiments.interruption import leave_group
from harness.program import interrupt, load_tensorflow, open_output
from harness.run import lock
from harness.run.directory import RunDirectory

# Seconds in which a process is to have ended whose experiment was killed: it saves first.
_PATIENCE = 60.0


def in_own_process(carry_out, config, path, log, interruption, prepare=load_tensorflow):
    """Does `carry_out(config, RunDirectory(path))` in a new process.

    The process gets SIGTERM for what interrupts this one, or when this one is gone: a run saves
    before it leaves.

    Args:
        carry_out: a function that can be imported.
        config: what can be pickled.
        path: directory of the job.
        log: file that what it prints is added to.
        interruption: an `Interruption`, which is entered.
        prepare: what the new process does first, a function that can be imported.

    Raises:
        Diverged, UserError, KeyboardInterrupt: as `carry_out` did.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(carry_out, config, path, log, sender, prepare))
    interruption.start(process)
    sender.close()
    try:
        kind, message = receiver.recv()
    except EOFError:
        kind, message = None, None
    finally:
        process.join()
        interruption.process = None
        receiver.close()
    if kind == "diverged":
        raise Diverged(message)
    if kind == "mistake":
        raise UserError(message)
    if kind == "interrupted" or (kind is None and interruption.came):
        raise KeyboardInterrupt
    if kind is None:
        raise UserError(
            f"its process ended with exit code {process.exitcode} and without a word; {log} has "
            "what it printed."
        )


def _work(carry_out, config, path, log, sender, prepare):
    """What the process does: it sends how it ended, ("done", "diverged", ...) and a message."""
    leave_group()
    signal.signal(signal.SIGTERM, interrupt)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with open(log, "a") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    open_output()
    sys.stdout.reconfigure(line_buffering=True)
    try:
        prepare()
        lock.wait_for(path / lock.NAME, _PATIENCE)
        carry_out(config, RunDirectory(path))
        outcome = ("done", None)
    except Diverged as error:
        outcome = ("diverged", str(error))
    except (UserError, OSError) as error:
        outcome = ("mistake", str(error))
    except KeyboardInterrupt:
        outcome = ("interrupted", None)
    except Exception as error:
        said = of_memory(error)
        if said is None:
            raise
        outcome = ("mistake", said)
    with contextlib.suppress(BrokenPipeError):
        sender.send(outcome)


def _leave_with_parent():
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
