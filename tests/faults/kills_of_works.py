"""Kills programs that measure, draw and experiment, and has the same command go on.

See `kills`, which does it. Half of the kills are of a command that finds earlier results. After
each these are there as before, and what is new is whole; after every other kill, by chance, the
same command comes to what it comes to if nothing is between, and nothing is left aside or running.
"""

import itertools
import os
import pathlib
import random
import shutil
import time

from harness.files import is_aside
from tests.faults import runs, table
from tests.faults.strikes import EARLY, SIGNALS, is_amiss, is_early, strike
from tests.faults.works import losses, results

ANY, WRITING = "at any moment", "while it writes"
# Times that a moment is sought before it is another's turn.
_TRIES = 20


def kills(work, call, folder, times, seed=0, aftermath=list, moments=(ANY, ANY, WRITING)):
    """Kills a `works.Work` so often, and returns a `table.Tally`.

    Args:
        work, call, folder, times, seed: as in `kills.kills`.
        aftermath: `f()`, what is left running once the command has been done again, in words.
        moments: that take turns; `WRITING` only of what writes for long enough.
    """
    folder, chance = pathlib.Path(folder), random.Random(seed)
    read, out = folder / "input", folder / "out"
    if work.of is not None and not read.exists():
        code, _, error = call(*runs.PROGRAMS[work.of].command(read))
        assert (code, error) == (0, ""), error
    command, usual, seen = work.command(read, out), {}, []
    for is_new in (True, False):
        start = time.monotonic()
        code, _, error = call(*command)
        assert (code, error) == (0, ""), error
        usual[is_new] = time.monotonic() - start
        seen.append(results(work, out))
    whole, again = seen
    assert not (amiss := losses(whole, again, whole)), amiss
    tally = table.Tally()
    moments = moments if work.writes_long else (ANY,)
    turns = list(itertools.islice(zip(itertools.cycle(SIGNALS), _slowly(moments)), times))
    chance.shuffle(turns)
    pending = []  # faults after which the command was not yet done again
    for number, moment in turns:
        fault = (number.name, moment)
        for _ in range(_TRIES):
            if chance.random() < 0.5:
                shutil.rmtree(out, ignore_errors=True)
            before = results(work, out)
            until = _until(out, moment, chance, usual[not before])
            code, error, came = strike(call, command, number, until)
            if came:
                break
        else:
            tally.lose(fault, "the moment never came")
            continue
        if is_early(work.name, error):
            fault = (number.name, EARLY)
        elif is_amiss(number, code, error):
            tally.lose(fault, f"it says {error[-300:]!r}")
            continue
        if amiss := losses(before, results(work, out), whole):
            tally.lose(fault, f"{amiss}")
            shutil.rmtree(out, ignore_errors=True)
            continue
        pending.append(fault)
        if chance.random() < 0.5:
            _settle(tally, pending, _goes_on(work, call, command, out, whole, aftermath))
    if pending:
        _settle(tally, pending, _goes_on(work, call, command, out, whole, aftermath))
    return tally


def _slowly(moments):
    """The moments in turn, each for as many times as there are signals."""
    return itertools.cycle([moment for moment in moments for _ in SIGNALS])


def _until(out, moment, chance, usual):
    """As `strikes.strike` takes it."""
    end = time.monotonic() + chance.uniform(0, usual) if moment == ANY else float("inf")
    later, before = chance.uniform(0, 0.02), _aside(out)

    def until():
        if moment == WRITING and _aside(out) - before:
            time.sleep(later)
            return False
        return time.monotonic() < end

    return until


def _aside(out):
    """What is being written: names of what is aside."""
    return {
        os.path.join(folder, name)
        for folder, *names in os.walk(out)
        for name in itertools.chain(*names)
        if is_aside(name)
    }


def _goes_on(work, call, command, out, whole, aftermath):
    """Does the command once more; returns what is amiss then, in words."""
    code, _, error = call(*command)
    if (code, error) != (0, ""):
        return [f"the same command ends with {code} and {error[-300:]!r}"]
    seen = results(work, out)
    amiss = losses(whole, seen, whole) + [f"{name} is left" for name in runs.leftovers(out)]
    return amiss + aftermath()


def _settle(tally, faults, amiss):
    for fault in faults:
        tally.lose(fault, amiss) if amiss else tally.survive(fault)
    faults.clear()
