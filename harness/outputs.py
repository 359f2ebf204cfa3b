"""Checks of what a program is told to write, before it computes anything: that nothing is lost."""

import contextlib
import os
import pathlib
import re
import stat
import typing

from harness.errors import UserError, some_of
from harness.files import read_object
from harness.run.configuration import COPY, NAME

# What runs and experiments' jobs write in their directories, but for evaluation*.json.
_OF_A_RUN = re.compile(
    r"\.?config\.json|\.lock|data\.json|metrics(\.damaged)?\.jsonl|scaling\.npz|best\.keras"
    r"|checkpoints|events|samples|curves\.(png|svg|pdf)|(generator|model|model_folded)(-\d+)?"
    r"|(diverged|result|seconds|shift|disturbance|estimates)\.json"
)
_OF_A_SAVED_MODEL = re.compile(
    r"saved_model\.pb(txt)?|fingerprint\.pb|keras_metadata\.pb|variables|assets(\.extra)?"
)
# What may be written, and written again, in a folder that is read: no images have these endings.
_RESULTS = (".json", ".npz")


class _Owner(typing.NamedTuple):
    """What has names in its folder: what it is called, whether it is there, and the names."""

    what: str
    is_in: typing.Callable
    names: re.Pattern


def check_file(flag, path, inputs=None):
    """Raises `UserError` if a file is not to be written where a flag says: before it is made.

    Args:
        flag: its name.
        path: the file, which may be there.
        inputs: what the program reads, or writes beside it: a dict from flags to paths; what is no
            path, as None, counts for nothing.

    Returns:
        The path to write to: a link stays, and what it leads to is written.
    """
    rule = f"--{flag} must be a file to write. Received: {flag}={path}"
    _check_place(rule, os.path.realpath(path), is_directory=False)
    _check_owners(rule, path)
    _check_inputs(rule, path, inputs)
    return through_links(path)


def check_directory(flag, path, inputs=None):
    """Raises `UserError` if a directory is not to be written to where a flag says: `check_file`."""
    rule = f"--{flag} must be a directory to write to. Received: {flag}={path}"
    _check_place(rule, os.path.abspath(path), is_directory=True)
    _check_owners(rule, path)
    _check_inputs(rule, path, inputs)


def check_replaced(rule, folder, is_own):
    """Raises `UserError` if a directory that is to be replaced holds what is not to be lost.

    Args:
        rule: the beginning of the message.
        folder: the directory, which need not be there.
        is_own: `f(name)`, whether a path in it, relative to it, is of what is replaced.
    """
    folder = pathlib.Path(os.path.realpath(folder))
    if pathlib.Path.cwd().is_relative_to(folder):
        raise UserError(f"{rule}, where the program was started: start it elsewhere")
    names = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    others = sorted(name for name in names if not is_own(name))
    if others:
        raise UserError(f"{rule}, which has {some_of(others)}")


def through_links(path):
    """The path as `harness.files` takes it, with a name: of a link that of what it leads to."""
    path = pathlib.Path(path)
    return path.resolve() if path.is_symlink() or path.name in ("", "..") else path


def _check_place(rule, path, is_directory):
    path = pathlib.Path(path)
    try:
        found = os.stat(path)  # says of a name that it is too long
    except FileNotFoundError:
        found = None
    except OSError as error:
        raise UserError(f"{rule}: {os.strerror(error.errno)}") from error
    there = next(each for each in (path, *path.parents) if os.path.lexists(each))
    if there == path and there.is_dir() != is_directory:
        raise UserError(f"{rule}, which is {'no' if is_directory else 'a'} directory")
    if found is not None and not is_directory:
        _check_regular(rule, found)
    folder = there if is_directory or there != path else there.parent
    if not folder.is_dir():
        raise UserError(f"{rule}, but {folder} is no directory")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{rule}, but {folder} is not writable")


def _check_regular(rule, found):
    """Raises `UserError` if what `os.stat` found is not a file that another can take the place of.

    That would be a file where a device was, or one that nobody sees where a shell sends what is
    printed.
    """
    if not stat.S_ISREG(found.st_mode):
        kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
        raise UserError(f"{rule}, which is {kinds.get(stat.S_IFMT(found.st_mode), 'a device')}")
    for number in (1, 2):
        with contextlib.suppress(OSError):  # It may be closed.
            if os.path.samestat(found, os.fstat(number)):
                raise UserError(f"{rule}, which has what is printed")


def _check_owners(rule, path):
    """Raises `UserError` if a path is in a run or a SavedModel, by a name that this has itself."""
    for place in dict.fromkeys([os.path.abspath(path), os.path.realpath(path)]):
        place = pathlib.Path(place)
        for folder in place.parents:
            name = place.relative_to(folder).parts[0]
            for owner in _OWNERS:
                if owner.names.fullmatch(name) and owner.is_in(folder):
                    raise UserError(
                        f"{rule}, but {name} in {folder} is a part of the {owner.what} there"
                    )


def _check_inputs(rule, path, inputs):
    """Raises `UserError` if a path is one of the inputs, or a file in one."""
    for flag, given in (inputs or {}).items():
        if isinstance(given, str | os.PathLike) and _is_of(path, given):
            raise UserError(f"{rule}, which is of --{flag}={given}: give another")


def _is_of(path, given):
    """Whether a path is the same file or directory as another, or one of those that are in it."""
    path, given = (pathlib.Path(os.path.realpath(each)) for each in (path, given))
    if path == given or path.exists() and given.exists() and path.samefile(given):
        return True
    return path.is_relative_to(given) and path.is_file() and path.suffix not in _RESULTS


def _is_run(folder):
    if os.path.isfile(folder / COPY):
        return True
    try:
        known = read_object(folder / NAME) if os.path.isfile(folder / NAME) else {}
    except (OSError, ValueError):
        return False
    return not known.keys().isdisjoint(("dataset", "experiment"))


def _is_saved_model(folder):
    return any(os.path.isfile(folder / name) for name in ("saved_model.pb", "saved_model.pbtxt"))


_OWNERS = (
    _Owner("run", _is_run, _OF_A_RUN),
    _Owner("SavedModel", _is_saved_model, _OF_A_SAVED_MODEL),
)
