"""What an experiment is: jobs, what one does, and what is told of all of them."""

import collections.abc
import dataclasses
import typing

from harness import sealed
from harness.config import Check
from harness.errors import UserError
from harness.run.directory import RunDirectory

SCALES = ("paper", "small")


class Job(typing.NamedTuple):
    """A job of an experiment: its name, which is that of its directory, and a dataclass."""

    name: str
    config: typing.Any


class Outcome(typing.NamedTuple):
    """What there is of a job: "to do", "begun", "diverged" or "complete", in its directory."""

    job: Job
    state: str
    directory: RunDirectory

    def read(self, name, *keys):
        """What is in a file that the job has written, a dict that has at least some keys.

        Raises:
            UserError: the file is damaged, or not there.
        """
        path = self.directory / name
        try:
            content = sealed.read(path)
            missing = [key for key in keys if key not in content]
            if missing:
                raise ValueError(f"it has no {', '.join(missing)}")
            return content
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path} is damaged: {error}. Remove it, and the same command writes it again."
            ) from error


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag of an experiment beside those of a configuration's fields.

    Attributes:
        name: of the flag.
        help: what it is, with its unit.
        kind: its type, as `harness.flags.define_flag` takes it.
        is_list: whether it is a comma-separated list of names.
        check: a `Check` that its value must pass, of a list each of its items; None is any.
        choices: the values that it may have; None is any.
        default: what holds where it is left out, in words.
    """

    name: str
    help: str
    kind: typing.Any = str
    is_list: bool = False
    check: Check | None = None
    choices: collections.abc.Sequence | None = None
    default: str | None = None


class Request:
    """What was asked for of an experiment; an attribute for each of its flags, None if left out.

    Args:
        experiment: the `Experiment`.
        scale: one of `SCALES`.
        overrides: values of configurations' fields that hold in place of the experiment's.
        **values: of the experiment's flags by their names; lists as sequences.
    """

    def __init__(self, experiment, scale="paper", overrides=None, **values):
        names = [flag.name for flag in experiment.flags]
        if values.keys() - set(names):
            raise TypeError(
                f"The flags of {experiment.name} are {names}. Received: {sorted(values)}"
            )
        self.experiment = experiment
        self.scale = scale
        self.overrides = overrides or {}
        self.values = values
        for name in names:
            setattr(self, name, values.get(name))

    def override(self, config):
        """A configuration, a dataclass, with the overrides that are fields of it."""
        names = {field.name for field in dataclasses.fields(config)}
        changes = {name: value for name, value in self.overrides.items() if name in names}
        return dataclasses.replace(config, **changes)

    def papers(self):
        """The paper's requests: of the same jobs at its size, and of all of its jobs."""
        experiment = self.experiment
        kept = {name: self.values.get(name) for name in experiment.paper_takes}
        same = {k: v for k, v in self.values.items() if k not in experiment.paper_lacks}
        return Request(experiment, **same), Request(experiment, **kept)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment: a table or a figure, of a paper or ours.

    Attributes:
        name: of the experiment.
        summary: what it is, in a line of `--help`.
        flags: its own `Flag`s.
        fields: names of configurations' fields that flags override, or `Flag`s of fields that no
            configuration of the program has.
        jobs: `f(request)`, the list of its `Job`s.
        networks: `f(config)`, the program's `Configuration`s of the networks that a job is of.
        carry_out: `f(config, directory)`, does one in its `RunDirectory`. It goes on where it was
            interrupted, and raises `Diverged` if it has diverged. It is pickled by its name.
        product: the file that a job writes last.
        has_scales: whether its runs at the small scale are others than at the paper's.
        free: fields that may differ from one start of a job to the next.
        describe: `f(outcome)`, a complete job in a few words.
        report: `f(outcomes, out)`, writes tables and figures of all to a `report.Report`.
        is_papers: `f(request)`, whether the jobs are those of a paper, to tell what is reduced.
        paper_takes: flags that choose between several of the paper's experiments.
        paper_lacks: flags of which the paper's size has a value of its own.
    """

    name: str
    summary: str
    fields: tuple
    jobs: collections.abc.Callable
    carry_out: collections.abc.Callable
    product: str
    describe: collections.abc.Callable
    report: collections.abc.Callable
    flags: tuple[Flag, ...] = ()
    networks: collections.abc.Callable = lambda config: [config]
    has_scales: bool = True
    free: tuple[str, ...] = ()
    is_papers: collections.abc.Callable = lambda request: True
    paper_takes: tuple[str, ...] = ()
    paper_lacks: tuple[str, ...] = ("rounds",)

    def request(self, scale="paper", overrides=None, **values):
        """A `Request` of this experiment."""
        return Request(self, scale, overrides, **values)

    @property
    def field_names(self):
        """The names of the flags that override fields."""
        return [field.name if isinstance(field, Flag) else field for field in self.fields]

    @property
    def flag_names(self):
        """The names of all flags that it takes."""
        return [*(flag.name for flag in self.flags), *self.field_names]


def chosen(flag, given, choices):
    """The given ones of the choices, each once; all of them if none is given."""
    unknown = [value for value in given or () if value not in choices]
    if unknown:
        raise UserError(
            f"--{flag} must be of {', '.join(choices)}, with commas. "
            f"Received: {flag}={','.join(given)}"
        )
    return list(dict.fromkeys(given or choices))
