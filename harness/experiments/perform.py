"""Does an experiment, and writes what came of it."""

import dataclasses
import shlex
import sys

from harness import contradictions
from harness.errors import UserError
from harness.experiments import processes, report, sweep


def perform(request, given, unseen=(), do=processes.in_own_process):
    """Does what is left to do of an experiment, and reports when all is there.

    Args:
        request: a `Request`.
        given: a `flags.Given`.
        unseen: fields in which jobs may differ from the paper's and be of its size.
        do: how a job is done, see `Sweep.carry_out`.

    Raises:
        UserError: what is asked for there is not, or a job cannot begin or was interrupted.
    """
    experiment = request.experiment
    try:
        jobs = experiment.jobs(request)
    except ValueError as error:
        raise UserError(str(error)) from error
    _check_distinct(jobs)
    _check_overrides(request, jobs)
    share = sweep.share(jobs, given.shard)
    if given.dry_run:
        for job in share:
            print(job.name, _varied(job, jobs))
        return
    work = sweep.Sweep(given.out, experiment)
    work.begin(jobs)
    work.carry_out(share, do)
    outcomes = work.outcomes(jobs)
    left = [outcome for outcome in outcomes if outcome.state not in sweep.FINISHED]
    diverged = sum(outcome.state == "diverged" for outcome in outcomes)
    failed = f", {diverged} of them diverged" if diverged else ""
    print(f"{len(jobs) - len(left)} of {len(jobs)} runs are there{failed}.")
    if left:
        print("When the others are, the same command, of any share, writes table and figure.")
        return
    _report(request, given, outcomes, unseen)


def _check_distinct(jobs):
    """Raises `UserError` where two jobs have one name, which is one directory, or are the same."""
    by_name, by_config = {}, {}
    for job in jobs:
        same = by_config.setdefault(repr(job.config), job)
        if same is not job:
            raise UserError(f"Each run must be asked for once. Received: {same.name}, {job.name}")
        namesake = by_name.setdefault(job.name, job)
        if namesake is not job:
            one, other = dataclasses.asdict(namesake.config), dataclasses.asdict(job.config)
            differ = ", ".join(
                f"{k}={one.get(k)} and {k}={v}" for k, v in other.items() if v != one.get(k)
            )
            raise UserError(
                "Values must differ so much that the names of runs do, in which numbers have six "
                f"digits. Received: {differ}, both {job.name}"
            )


def _check_overrides(request, jobs):
    """Raises `UserError` at a field that was given and that changes no job, or is not of one."""
    configs = [dataclasses.asdict(job.config).items() for job in jobs]
    for name, value in request.overrides.items():
        if not any((name, value) in items for items in configs):
            raise UserError(
                f"--{name} must be of one of the runs: these have none, or vary it. "
                f"Received: {name}={value}"
            )
    networks = request.experiment.networks
    contradictions.check_all(
        [config for job in jobs for config in networks(job.config)], request.overrides
    )


def _report(request, given, outcomes, unseen):
    experiment, jobs = request.experiment, [outcome.job for outcome in outcomes]
    heading = [f"command: `{given.command} {shlex.join(sys.argv[1:])}`"]
    if experiment.is_papers(request):
        same, everything = map(experiment.jobs, request.papers())
        size = _size(jobs, same, len(everything), request.scale == "small", unseen)
        heading.append(f"size: {size}")
    heading += [
        f"seed: {', '.join(dict.fromkeys(str(job.config.seed) for job in jobs))}",
        f"written on: {report.machine()}",
    ]
    experiment.report(outcomes, report.Report(given.out, experiment.name, heading))
    print(f"Wrote {given.out}/table.md, and the figures beside it.")


def _varied(job, jobs):
    """The fields in which a job differs from another that has them."""
    configs = [dataclasses.asdict(other.config) for other in jobs]
    fields = dataclasses.asdict(job.config).items()
    return " ".join(
        f"{k}={v}" for k, v in fields if any(config.get(k, v) != v for config in configs)
    )


def _size(jobs, papers, count, is_small, unseen):
    """What of the jobs is not the paper's."""
    papers = {job.name: dataclasses.asdict(job.config) for job in papers}
    differences = [
        f"{name} {value} in place of {papers[job.name][name]}"
        for job in jobs
        if job.name in papers
        for name, value in dataclasses.asdict(job.config).items()
        if value != papers[job.name][name] and name not in unseen
    ]
    if len(jobs) < count:
        differences.append(f"{len(jobs)} of {count} runs")
    if not differences:
        return "the paper's"
    change = "reduced from" if is_small else "differs from"
    return f"{change} the paper's: {', '.join(dict.fromkeys(differences))}"
