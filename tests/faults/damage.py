"""Damages every file of runs, one at a time, and has the same command go on.

    python -m tests.faults.damage --program=gan --folder=FOLDER

Each file of a run that was interrupted is halved, emptied, has a bit flipped in its middle, or is
removed. The same command then has to complete the run as if nothing had been, or say what it does
without, the weights being the same to the last bit, or end in one line and change nothing. What is
read of a complete run is damaged likewise, and measured: the same numbers are to come, or one line.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal

from tests.calls import Calls, wait_for
from tests.faults import table
from tests.faults.runs import (
    PROGRAMS,
    differences,
    is_one_line,
    is_over,
    steps_of,
    weights_differ,
    whole_run,
)

CHECKS = GOES_ON, MEASURES = "the run goes on", "the run is measured"


def flip(path):
    """Flips a bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


HARMS = {
    "halved": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: path.write_bytes(b""),
    "a bit flipped": flip,
    "removed": pathlib.Path.unlink,
}


def damage(program, call, folder, some=lambda name: True, checks=CHECKS, harms=HARMS):
    """Damages files, and returns a `table.Tally`.

    Args:
        program: a `runs.Program`.
        call: a `tests.calls.Calls`.
        folder: for the runs.
        some: whether a file, by its name in the run's directory, is to be damaged.
        checks: of `CHECKS`.
        harms: of `HARMS`.
    """
    folder = pathlib.Path(folder)
    whole, cut, run = whole_run(program, call, folder), folder / "cut", folder / "run"
    _interrupt(program, call, cut, steps_of(whole)[-1] * 2 // 3)
    evaluate = [f"{program.name.partition('.')[0]}.evaluate", f"--run_dir={run}"]
    numbers = folder / "numbers.json"
    evaluate.append(f"--out={numbers}")
    if MEASURES in checks:
        shutil.copytree(whole, run)
        code, _, error = call(*evaluate)
        assert (code, error) == (0, ""), error
        right = numbers.read_bytes()
        shutil.rmtree(run)
    tally = table.Tally()
    for check in checks:
        base = cut if check == GOES_ON else whole
        for name in sorted(filter(some, _contents(base))):
            if check == MEASURES and name.startswith(("checkpoints", "events", "samples")):
                continue
            for harm in harms:
                shutil.copytree(base, run)
                if not (run / name).stat().st_size:
                    shutil.rmtree(run)
                    continue
                HARMS[harm](run / name)
                before = _contents(run)
                command = program.command(run) if check == GOES_ON else evaluate
                outcome = call(*command)
                fault = (check, _kind(name), harm)
                if check == GOES_ON:
                    said, amiss = _gone_on(program, run, whole, name, before, *outcome)
                else:
                    said, amiss = _measured(run, before, *outcome)
                    if not said and not amiss and numbers.read_bytes() != right:
                        amiss = "other numbers"
                if amiss:
                    tally.lose(fault, f"{name}: {amiss}")
                else:
                    tally.survive(fault, said)
                shutil.rmtree(run)
    return tally


def _interrupt(program, call, run, step):
    process = call.start(*program.command(run))
    wait_for(
        lambda: (
            is_over(process) or ((run / "metrics.jsonl").exists() and steps_of(run)[-1:] >= [step])
        )
    )
    os.kill(process, signal.SIGTERM)
    code, _, error = call.finish(process)
    assert code == 1 and error.startswith("error: Interrupted at step"), error


def _gone_on(program, run, whole, name, before, code, out, error):
    """How a run went on: what it said, if it did, and what is amiss, if anything is."""
    if code == 1 and is_one_line(error) and "nothing was changed" in error:
        return "refused in one line", "" if _contents(run) == before else "it changed something"
    if code or error:
        return "", f"exit code {code}: {error[-300:]!r}"
    own = pathlib.PurePath(name)
    named = [part for part in (own.name, own.parts[0], own.stem) if part in out]
    weights = [n for n in weights_differ(program, run, whole) if n not in named]
    if weights:
        return "", f"other weights: {weights}"
    amiss = differences(program, run, whole)
    return ("and said so" if amiss else ""), ("" if named else amiss)


def _measured(run, before, code, out, error):
    """As `_gone_on`, of a run that was measured."""
    if code == 1 and is_one_line(error):
        return "refused in one line", "" if _contents(run) == before else "it changed something"
    if code or error:
        return "", f"exit code {code}: {error[-300:]!r}"
    return "", ""


def _contents(run):
    files = (path for path in run.rglob("*") if path.is_file())
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


def _kind(name):
    """What files of one kind are called together."""
    folder, _, rest = name.partition("/")
    if folder == "checkpoints" and rest.startswith("ckpt-"):
        return f"checkpoints/ckpt-N.{rest.partition('.')[2].partition('-')[0]}"
    return f"{folder}/*" if folder in ("events", "samples") else name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", choices=PROGRAMS, default="gan")
    parser.add_argument("--folder", required=True, help="for the runs; it has to be new")
    given = parser.parse_args()
    os.makedirs(given.folder)
    with contextlib.closing(Calls(pathlib.Path(given.folder).absolute())) as call:
        found = damage(PROGRAMS[given.program], call, given.folder)
    found.print(("then", "file", "damage"))
