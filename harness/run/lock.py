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


def _take(path):
    while True:
        file = open(path, "a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            who = file.read(200).strip()
            file.close()
            raise UserError(
                f"{path.parent} is in use: another process writes to it{who and f' ({who})'}. Wait "
                "until that has ended, or use another --run_dir."
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
