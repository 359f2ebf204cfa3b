"""A lock on a run's directory: one process at a time writes to it.

The lock is the system's (flock), and ends with its process, however that ends. Between machines it
holds as far as the file system of the shared folder passes it on: NFS does, unless it is mounted
with `nolock` or `local_lock`, Lustre if it is mounted with `flock`. Where a file system has no
locks, a line says so.
"""

import contextlib
import fcntl
import os
import socket
import time

from harness.errors import UserError
from harness.files import writing

NAME = ".lock"


@contextlib.contextmanager
def held(path):
    """Holds the lock that is the file `path`, which is there meanwhile.

    Raises:
        UserError: another process holds it.
    """
    with writing(path, len(_own_name())):
        file = _take(path)
    try:
        yield
    finally:
        # While it is held, so that who waits for this file finds that it is another's by now.
        with contextlib.suppress(OSError):
            os.unlink(path)
        file.close()


def wait_for(path, seconds):
    """Waits, so many seconds at most, until no process holds the lock that is the file `path`."""
    end, said = time.monotonic() + seconds, False
    while time.monotonic() < end:
        try:
            file = open(path)
        except OSError:  # as where there is none
            return
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if not said:
                    print(f"{path.parent} is in use{_holder(file)}: waiting for it to be free.")
                said = True
            except OSError:  # There are no locks.
                return
        time.sleep(0.1)


def _holder(file):
    """Who holds a lock, in words, if its file says so."""
    file.seek(0)
    who = file.read(200).strip()
    return who and f" ({who})"


def _take(path):
    while True:
        file = open(path, "a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            who = _holder(file)
            file.close()
            raise UserError(
                f"{path.parent} is in use: another process writes to it{who}. Wait until that has "
                "ended, or use another --run_dir."
            ) from error
        except OSError as error:
            print(f"{path.parent} cannot be locked ({error.strerror}): start no second run in it.")
        if _is_there(path, file):
            break
        file.close()  # Its holder has just removed it.
    file.truncate(0)
    file.write(_own_name())
    file.flush()
    return file


def _own_name():
    return f"process {os.getpid()} on {socket.gethostname()}\n"


def _is_there(path, file):
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    return False
