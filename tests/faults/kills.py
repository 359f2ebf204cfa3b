"""Kills runs, and has the same command go on.

    python -m tests.faults.kills --program=gan --times=20 --folder=FOLDER

The program is one of `runs.PROGRAMS`, which train, or of `works.WORKS`, as gan.evaluate: of those
see `kills_of_works`. SIGKILL, SIGTERM and SIGINT take turns, and so do the moments: any, while a
checkpoint is written, while the network is exported. After each the same command is run again, and
is killed in its turn, until the run is complete: it must then be, to the last bit, what it is if
nothing comes between.
"""

import argparse
import itertools
import os
import pathlib
import random
import signal
import sys
import time

from harness.files import is_aside
from tests.faults import kills_of_works, table
from tests.faults.runs import PROGRAMS, Processes, differences, whole_run
from tests.faults.strikes import EARLY, SIGNALS, is_amiss, is_early, strike
from tests.faults.works import WORKS

ANY, CHECKPOINT, EXPORT = "at any moment", "while a checkpoint is written", "while it exports"
MOMENTS = (ANY, CHECKPOINT, ANY, EXPORT)


def kills(program, call, folder, times, seed=0, moments=MOMENTS):
    """Kills runs of a `runs.Program` so often, and returns a `table.Tally`.

    Args:
        program: it.
        call: `Processes`, or a `tests.calls.Calls`.
        folder: for the runs.
        times: kills.
        seed: of what is by chance.
        moments: that take turns.
    """
    folder, chance = pathlib.Path(folder), random.Random(seed)
    start = time.monotonic()
    whole = whole_run(program, call, folder)
    usual = time.monotonic() - start
    tally = table.Tally()
    turns = zip(itertools.cycle(SIGNALS), itertools.cycle(moments))
    turns = list(itertools.islice(turns, times))
    chance.shuffle(turns)
    for number in itertools.count():
        run, faults = folder / f"run{number}", []
        while turns:
            code, error, fault = _strike(program, call, run, *turns[-1], usual, chance)
            if fault is not None:
                turns.pop()
                faults.append(fault)
                if is_early(program.name, error):
                    faults[-1] = (fault[0], EARLY)
                elif is_amiss(signal.Signals[fault[0]], code, error):
                    tally.lose(fault, f"it says {error[-300:]!r}")
            if _is_complete(program, run):
                break
        if not _is_complete(program, run):
            code, _, error = call(*program.command(run))
            if code:
                tally.lose(faults[-1], error)
                faults.pop()
        amiss = differences(program, run, whole) if _is_complete(program, run) else ["it ended"]
        for fault in faults:
            tally.lose(fault, f"{run.name}: {amiss}") if amiss else tally.survive(fault)
        if not turns:
            return tally


def _strike(program, call, run, number, moment, usual, chance):
    """As `strikes.strike`, and what was done, a pair of a signal's name and a moment; None: it
    ended before."""
    before = set(_names(run)) | set(_names(run / "checkpoints"))  # as a kill has left them
    end = time.monotonic() + chance.uniform(0, usual) if moment == ANY else float("inf")
    # Within what is written, not always at its beginning.
    is_moment, later = _WAITS.get(moment), chance.uniform(0, 0.02)

    def until():
        if is_moment is not None and is_moment(program, run, before):
            time.sleep(later)
            return False
        return time.monotonic() < end

    code, error, came = strike(call, program.command(run), number, until)
    return code, error, (number.name, moment) if came else None


def _is_complete(program, run):
    return all((run / name).exists() for name in program.exports)


def _is_saving(program, run, before):
    names = set(_names(run / "checkpoints")) - before
    return any("_temp" in name for name in names)


def _is_exporting(program, run, before):
    names = set(_names(run)) - before
    return any(is_aside(name) and name.endswith(program.exports) for name in names)


def _names(folder):
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


_WAITS = {CHECKPOINT: _is_saving, EXPORT: _is_exporting}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", choices=[*PROGRAMS, *WORKS], default="gan")
    parser.add_argument("--times", type=int, default=20, help="kills")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", required=True, help="for the runs; it has to be new")
    given = parser.parse_args()
    place = pathlib.Path(given.folder).absolute()
    (place / "processes").mkdir(parents=True)
    processes = Processes(place / "processes")
    how = (processes, place, given.times, given.seed)
    if given.program in PROGRAMS:
        found = kills(PROGRAMS[given.program], *how)
    else:
        found = kills_of_works.kills(WORKS[given.program], *how, processes.aftermath)
    found.print(("signal", "moment"))
    sys.exit(bool(found.lost))
