"""Files that are whole or not there."""

import contextlib
import os
import pathlib
import shutil


def write_whole(path, data):
    """Writes bytes or text to `path` aside and renames: a reader sees the old file or the new."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(data.encode() if isinstance(data, str) else data)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def whole_directory(path):
    """Gives a directory to fill that becomes `path` when all of it was written."""
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        shutil.rmtree(path, ignore_errors=True)
        aside.replace(path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
