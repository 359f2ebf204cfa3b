"""Fills the disk under runs, then makes space, and has the same command go on.

    python -m tests.faults.disks --program=gan --times=20 --folder=FOLDER

The disk is a tmpfs of a size from nothing to what a run takes (where root may mount one), and then
a limit of the size of a file, from nothing to the largest. The run has to end in one line that
names a file and the bytes that it takes; where there is space the same command has to complete it,
to the last bit as if nothing had come between. The table has rows of the files that were named.
"""

import argparse
import contextlib
import os
import pathlib
import re
import resource
import shutil
import subprocess

from tests.calls import Calls
from tests.faults import table
from tests.faults.runs import PROGRAMS, differences, whole_run

TMPFS, LIMIT = "a full tmpfs", "files limited in size"
_LINE = re.compile(r"error: (.+) cannot be written: [^.]+\. It takes about [\d,]+ bytes\.\n")


def disks(program, call, folder, times, kinds=(TMPFS, LIMIT)):
    """Fills so many disks of each kind under a run, and returns a `table.Tally`.

    Args:
        program: a `runs.Program`.
        call: a `tests.calls.Calls`.
        folder: for the runs.
        times: sizes.
        kinds: of disks.
    """
    folder = pathlib.Path(folder)
    whole, tally = whole_run(program, call, folder), table.Tally()
    sizes = [path.stat().st_size for path in whole.rglob("*") if path.is_file()]
    # What is written aside before the last one goes, and blocks that are not full.
    most = {TMPFS: int(1.5 * sum(sizes)), LIMIT: max(sizes)}
    for kind in kinds:
        for number in range(times):
            size = int(most[kind] * (number + 0.5) / times)
            with _DISKS[kind](folder / "disk", size) as disk:
                _fill(program, call, disk, whole, f"{kind}, {size:,} bytes", kind, tally)
    return tally


def _fill(program, call, disk, whole, name, kind, tally):
    run = disk.path / "run"
    process = call.start(*program.command(run))
    disk.limit(process)
    code, _, error = call.finish(process)
    if code == 0:
        return  # There was space.
    line = _LINE.fullmatch(error)
    if not line:
        tally.lose((kind, "?"), f"{name}: it says {error[-300:]!r}")
        return
    file = os.path.relpath(line[1], run).partition("/")[0]
    disk.make_space()
    code, _, error = call(*program.command(run))
    amiss = [error] if code or error else differences(program, run, whole)
    if amiss:
        tally.lose((kind, file), f"{name}: {amiss}")
    else:
        tally.survive((kind, file))


class _Tmpfs:
    def __init__(self, path):
        self.path = path

    def limit(self, process):
        """It is full for every process."""

    def make_space(self):
        _mount(self.path, "remount,size=200m")


class _Limit:
    def __init__(self, path, size):
        self.path = path
        self._size = size

    def limit(self, process):
        resource.prlimit(process, resource.RLIMIT_FSIZE, (self._size,) * 2)

    def make_space(self):
        """The next process has no limit."""


@contextlib.contextmanager
def _tmpfs(path, size):
    path.mkdir()
    try:
        _mount(path, f"size={max(size, 4096)}")  # 0 would be no limit
        yield _Tmpfs(path)
    finally:
        subprocess.run(["umount", path], check=True)
        path.rmdir()


@contextlib.contextmanager
def _limited(path, size):
    path.mkdir()
    yield _Limit(path, size)
    shutil.rmtree(path)


def _mount(path, options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)


_DISKS = {TMPFS: _tmpfs, LIMIT: _limited}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", choices=PROGRAMS, default="gan")
    parser.add_argument("--times", type=int, default=20, help="sizes of each kind of disk")
    parser.add_argument("--folder", required=True, help="for the runs; it has to be new")
    given = parser.parse_args()
    os.makedirs(given.folder)
    kinds = (TMPFS, LIMIT) if os.geteuid() == 0 else (LIMIT,)
    with contextlib.closing(Calls(pathlib.Path(given.folder).absolute())) as call:
        found = disks(PROGRAMS[given.program], call, given.folder, given.times, kinds)
    found.print(("disk", "file"))
