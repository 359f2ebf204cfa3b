"""The flags of a program of experiments, and what is asked for by them."""

import typing

from absl import flags as absl_flags

from harness import flags
from harness.config import Check
from harness.errors import UserError
from harness.experiments import sweep
from harness.experiments.experiment import SCALES, Flag
from harness.outputs import check_directory

_GROUP = "What"


class Given(typing.NamedTuple):
    """How an experiment is to be done.

    Attributes:
        out: its directory.
        shard: the share of its jobs to do, see `sweep.share`.
        dry_run: whether to list the jobs only.
        command: the program, as `python -m gan.experiment`.
    """

    out: str
    shard: str | None
    dry_run: bool
    command: str


def define(experiments, config_class, choices=None):
    """Defines them.

    Args:
        experiments: a list of `Experiment`.
        config_class: the program's `Config`, which has the fields that experiments name.
        choices: dict from a field's name to the values that its flag takes, where these are fewer.
    """
    names = [experiment.name for experiment in experiments]
    flags.define_flag("name", str, _GROUP, "Which experiment, see above. Required.", names)
    flags.define_flag(
        "out",
        str,
        _GROUP,
        "Directory of the experiment, new or that of the same experiment, which then goes on. "
        "Required.",
    )
    flags.define_flag(
        "scale",
        str,
        _GROUP,
        "How large the runs are: paper, as the paper has them; small, reduced to what two cores "
        f"can do.{_without_scales(experiments)}",
        SCALES,
        default=SCALES[0],
    )
    for flag in _own_flags(experiments):
        check = _each(flag.check) if flag.is_list else flag.check
        help = f"{flag.help}{_lists(flag)}{_takers(flag, experiments)}"
        default = flag.default or ("the paper's" if flag.is_list else None)
        flags.define_flag(
            flag.name, flag.kind, _GROUP, help, flag.choices, check=check, default=default
        )
    flags.define_flag(
        "shard",
        str,
        _GROUP,
        "Which part of the runs to do, so that several machines share them: i/n is the i-th of n "
        "parts, as 1/3, 2/3 and 3/3 on three machines.",
        check=Check("i/n, from 1/n to n/n, as 1/3", sweep.is_share),
        default="1/1, all",
    )
    flags.define_flag(
        "dry_run", bool, _GROUP, "List the runs, one a line, and stop.", default="false"
    )
    fields = {name for experiment in experiments for name in experiment.field_names}
    flags.define_flags(config_class, fields, choices, defaults="the experiment's")


def _each(check):
    """The rule for a comma-separated list whose items have one."""
    rule = "names with commas" if check is None else f"{check.rule}, with commas"

    def passes(text):
        items = text.split(",")
        return all(items) and (check is None or all(map(check.passes, items)))

    return Check(rule, passes)


def _lists(flag):
    return " Several with commas." if flag.is_list else ""


def _takers(flag, experiments):
    """Which experiments take the flag, if not all do."""
    takers = [experiment.name for experiment in experiments if flag.name in experiment.flag_names]
    if len(takers) == len(experiments):
        return ""
    *first, last = takers
    return f" For --name={', '.join(first)} or {last}." if first else f" For --name={last}."


def _without_scales(experiments):
    """Which experiments have runs of one size, if some do."""
    names = [experiment.name for experiment in experiments if not experiment.has_scales]
    return f" Not for --name={' or '.join(names)}, whose runs are of one size." if names else ""


def _own_flags(experiments):
    """The `Flag`s of all experiments, each once, in their order.

    Raises:
        ValueError: two of a name differ, of which one alone could be told.
    """
    flags_by_name = {}
    for experiment in experiments:
        own = [field for field in experiment.fields if isinstance(field, Flag)]
        for flag in (*experiment.flags, *own):
            if flags_by_name.setdefault(flag.name, flag) != flag:
                raise ValueError(
                    "Experiments whose flags have one name must share the `Flag`. "
                    f"Received: {flag.name} of {experiment.name}"
                )
    return flags_by_name.values()


def summaries(experiments):
    """A line of `--help` for each experiment."""
    width = max(len(experiment.name) for experiment in experiments)
    return "\n".join(
        f"  {experiment.name:<{width}}  {experiment.summary}" for experiment in experiments
    )


def chosen_request(experiments):
    """The `Request` that the flags make.

    Args:
        experiments: a list of `Experiment`.

    Raises:
        UserError: a required flag is left out, or one is given that the experiment does not take.
    """
    values = absl_flags.FLAGS
    by_name = {experiment.name: experiment for experiment in experiments}
    if values.name is None:
        raise UserError(f"--name is required: one of {', '.join(by_name)}.")
    if not values.dry_run:
        if values.out is None:
            raise UserError("--out is required: the directory of the experiment.")
        check_directory("out", values.out)
    experiment = by_name[values.name]
    names = {name for other in experiments for name in other.flag_names}
    given = {name: getattr(values, name) for name in names if getattr(values, name) is not None}
    for name in sorted(given.keys() - set(experiment.flag_names)):
        raise UserError(
            f"--{name} is not a flag of {experiment.name}, which takes "
            f"{', '.join(experiment.flag_names)}. Received: name={experiment.name}, {name}="
            f"{given[name]}"
        )
    if values.scale is not None and not experiment.has_scales:
        raise UserError(
            f"--scale is not for {experiment.name}, whose runs are of one size. Received: "
            f"name={experiment.name}, scale={values.scale}"
        )
    own = {}
    for flag in experiment.flags:
        if flag.name in given:
            value = given[flag.name]
            own[flag.name] = value.split(",") if flag.is_list else value
    overrides = {
        name: None if given[name] is flags.NONE else given[name]
        for name in experiment.field_names
        if name in given
    }
    return experiment.request(values.scale or SCALES[0], overrides, **own)


def given(command):
    """How it is to be done, a `Given`; `command` is the program, as `python -m gan.experiment`."""
    values = absl_flags.FLAGS
    return Given(values.out, values.shard, values.dry_run, command)
