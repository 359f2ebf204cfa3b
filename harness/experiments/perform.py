"""Doing an experiment of many runs, and writing what came of it.

An experiment is a module that has `FLAGS`, the names of the flags that it takes; `runs(options)`,
the list of its `sweep.Run`s; `carry_out(config, directory)`, which does one; `PRODUCT`, the file
that one writes last, and `FREE`, fields that may differ when it goes on; `describe(outcome)`, a
complete one in a few words; and `report(outcomes, out)`, which writes the tables and figures of all
of them to a `report.Report`.
"""

import dataclasses
import shlex
import sys

from harness.errors import UserError
from harness.experiments import report, sweep

SCALES = ("paper", "small")


@dataclasses.dataclass(frozen=True)
class Given:
    """What was asked for of an experiment.

    Attributes:
        name: of the experiment.
        out: its directory.
        shard: the share of its runs to do, see `sweep.share`.
        dry_run: whether to list the runs only.
        command: the program, as `python -m gan.experiment`.
    """

    name: str
    out: str
    shard: str | None
    dry_run: bool
    command: str


def chosen(flag, given, choices):
    """The given ones of the choices, each once; all of them if none is given."""
    unknown = [value for value in given or () if value not in choices]
    if unknown:
        raise UserError(f"--{flag} are of {', '.join(choices)}. Received: {', '.join(unknown)}")
    return list(dict.fromkeys(given or choices))


def perform(experiment, options, papers, given, unseen=()):
    """Does what is left to do of an experiment, and reports when all is there.

    Args:
        experiment: the module.
        options: what the flags say, with `scale`, one of `SCALES`.
        papers: list of options that together are the paper's: of the same runs, to tell in which
            fields these differ, and of all runs, to tell how many there are; None if the runs are
            no paper's.
        given: a `Given`.
        unseen: fields in which runs may differ from the paper's and be of its size.
    """
    try:
        runs = experiment.runs(options)
    except ValueError as error:
        raise UserError(str(error)) from error
    share = sweep.share(runs, given.shard)
    if given.dry_run:
        for run in share:
            print(run.name, _varied(run, runs))
        return
    work = sweep.Sweep(given.out, experiment.PRODUCT, experiment.FREE)
    work.begin(given.name, runs)
    work.carry_out(share, experiment.carry_out, experiment.describe)
    outcomes = work.outcomes(runs)
    left = [outcome for outcome in outcomes if outcome.state not in sweep.FINISHED]
    diverged = sum(outcome.state == "diverged" for outcome in outcomes)
    failed = f", {diverged} of them diverged" if diverged else ""
    print(f"{len(runs) - len(left)} of {len(runs)} runs are there{failed}.")
    if left:
        print("When the others are, the same command, of any share, writes table and figure.")
        return
    heading = [f"command: `{given.command} {shlex.join(sys.argv[1:])}`"]
    if papers is not None:
        same, all_runs = (experiment.runs(each) for each in papers)
        size = _size(runs, same, len(all_runs), options.scale == "small", unseen)
        heading.append(f"size: {size}")
    heading += [
        f"seed: {', '.join(dict.fromkeys(str(run.config.seed) for run in runs))}",
        f"written on: {report.machine()}",
    ]
    experiment.report(outcomes, report.Report(given.out, given.name, heading))
    print(f"Wrote {given.out}/table.md, and the figures beside it.")


def _varied(run, runs):
    """The fields in which a run differs from another that has them."""
    configs = [dataclasses.asdict(other.config) for other in runs]
    fields = dataclasses.asdict(run.config).items()
    return " ".join(
        f"{k}={v}" for k, v in fields if any(config.get(k, v) != v for config in configs)
    )


def _size(runs, papers, count, is_small, unseen):
    """What of the runs is not the paper's."""
    papers = {run.name: dataclasses.asdict(run.config) for run in papers}
    differences = [
        f"{name} {value} in place of {papers[run.name][name]}"
        for run in runs
        if run.name in papers
        for name, value in dataclasses.asdict(run.config).items()
        if value != papers[run.name][name] and name not in unseen
    ]
    if len(runs) < count:
        differences.append(f"{len(runs)} of {count} runs")
    if not differences:
        return "the paper's"
    change = "reduced from" if is_small else "differs from"
    return f"{change} the paper's: {', '.join(dict.fromkeys(differences))}"
