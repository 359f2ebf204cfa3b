"""Files that are whole or not there, and paths that are names."""

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import re
import shutil
import tempfile

from harness.errors import UserError

# What a disk may say. TensorFlow's errors are of its own types, and have the text alone.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
# What is written aside has the number of its process in its name, and nobody else's file is called
# so. Earlier versions' names are others' too, as of a date: these count where NAME is a known one.
_ASIDE = re.compile(r"\.tfnorm-(?P<process>\d+)\..+", re.DOTALL)
_EARLIER = (
    re.compile(r"\.(?P<process>\d{1,7})\.(?P<name>.+?)(\.before)?", re.DOTALL),
    re.compile(r"\.(?P<name>.+)\.(?P<process>\d{1,7})", re.DOTALL),
)


def write_whole(path, data):
    """Writes bytes or text to `path` aside and renames: a reader sees the old file or the new."""
    if isinstance(data, str):
        data = data.encode(errors="backslashreplace")  # names of files may be no text
    with whole_file(path, len(data)) as aside:
        aside.write_bytes(data)


@contextlib.contextmanager
def whole_file(path, size):
    """Gives a path to write a file to that becomes `path` when it was written; see `writing`."""
    path = pathlib.Path(path)
    with writing(path, size):
        aside = _aside(path)
        try:
            yield aside
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def whole_directory(path, size):
    """Gives a directory to fill that becomes `path` when all of it was written.

    What was there before is there until then: a process that is killed leaves one or the other.
    What it gives is a `plain_name`, for TensorFlow to write to. For `size` see `writing`.
    """
    path = pathlib.Path(path)
    with writing(path, size):
        aside = _aside(path)
        aside.mkdir()
        try:
            with plain_name(aside) as name:
                yield pathlib.Path(name)
            _put(aside, path)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise


def read_object(path):
    """The JSON object in a file, a dict; raises `ValueError` if there is none."""
    try:
        value = json.loads(pathlib.Path(path).read_bytes())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def is_aside(name, known=None):
    """Whether a name is of what is written aside.

    Args:
        name: of a file or directory.
        known: a pattern of names; what an earlier version wrote aside for one of these counts, too.
    """
    return _writer(name, known) is not None


def sweep(folder, known=None):
    """Removes what dead processes have left aside in a folder, if it is there; as `is_aside`.

    A process of another machine counts as dead: the folder is to be this one's, as by a lock.
    """
    if os.path.isdir(folder):
        _remove(pathlib.Path(folder).iterdir(), known)


@contextlib.contextmanager
def writing(path, size):
    """Makes an error of the disk a `UserError` that names the file that is being written.

    Args:
        path: the file, or directory.
        size: bytes that it takes, about.
    """
    try:
        yield
    except UserError:  # of a part of it, which that names
        raise
    except Exception as error:
        said = error.strerror or str(error) if isinstance(error, OSError) else _said(error)
        if said is None:
            raise
        raise UserError(
            f"{path} cannot be written: {said}. It takes about {size:,} bytes."
        ) from error


@contextlib.contextmanager
def plain_name(path):
    """Gives a name of a file or directory that TensorFlow takes for a name.

    Its functions take a path with [ ] * ? or a backslash for a pattern, reading what else fits or
    nothing, and take none that is not UTF-8. Such a path gets a link in a temporary directory.
    """
    path = os.path.abspath(path)
    if _is_plain(path):
        yield path
        return
    folder = tempfile.mkdtemp(dir=None if _is_plain(tempfile.gettempdir()) else "/tmp")
    try:
        link = os.path.join(folder, "path")
        os.symlink(path, link)
        yield link
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_plain(path):
    # What is not UTF-8 is in a str as surrogates.
    return not re.search(r"[][*?\\\udc80-\udcff]", path)


def _said(error):
    return next((os.strerror(n) for n in _OF_THE_DISK if os.strerror(n) in str(error)), None)


def _put(aside, path):
    """Puts a directory in the place of `path`, and removes what was there."""
    before = aside.with_name(f"{aside.name}.before")
    if _exchange(aside, path):
        before = aside
    else:  # for an instant there is neither
        with contextlib.suppress(FileNotFoundError):
            path.rename(before)
        aside.rename(path)
    if os.path.lexists(before):
        _delete(before)


def _exchange(one, other):
    """Gives two directories each other's name at once; returns whether that was done.

    It is not where one is not there, nor on file systems that cannot, as NFS.
    """
    rename = getattr(ctypes.CDLL(None), "renameat2", None)  # of Linux
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    names = os.fsencode(one), os.fsencode(other)
    return rename is not None and rename(here, names[0], here, names[1], exchange) == 0


def _aside(path):
    """A name beside `path` for what is to become it; what a dead process left there goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = re.compile(rf"\.tfnorm-\d+\.{re.escape(path.name)}(\.before)?")
    _remove(file for file in path.parent.iterdir() if own.fullmatch(file.name))
    return path.with_name(f".tfnorm-{os.getpid()}.{path.name}")


def _remove(files, known=None):
    for file in files:
        process = _writer(file.name, known)
        if process is not None and not _lives(process):
            _delete(file)


def _writer(name, known=None):
    """The number of the process that wrote aside what has this name, or None: nothing did."""
    found = _ASIDE.fullmatch(name)
    if found is None and known is not None:
        matches = (pattern.fullmatch(name) for pattern in _EARLIER)
        found = next((match for match in matches if match and known.fullmatch(match["name"])), None)
    return found and int(found["process"])


def _delete(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _lives(process):
    """Whether there is another process of this number."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
