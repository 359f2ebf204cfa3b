"""The flags that programs of experiments have alike, and what they say."""

from absl import flags

from harness import program
from harness.errors import UserError
from harness.experiments.perform import SCALES, Given

_GROUP = "What"


def define(modules, lists, numbers):
    """Defines them.

    Args:
        modules: the experiments, a dict by name.
        lists: dict from a flag that is a comma-separated list to its help.
        numbers: dict from a flag that is a number of things, at least one, to its help.
    """
    program.define_flag("name", str, _GROUP, "Experiment; required.", list(modules))
    program.define_flag("out", str, _GROUP, "Directory of the experiment, its own; required.")
    program.define_flag("scale", str, _GROUP, "The paper's size, or a reduced one; paper.", SCALES)
    for name, help in lists.items():
        program.define_flag(name, str, _GROUP, f"Comma-separated. {help} Left out: the paper's.")
    for name, help in numbers.items():
        program.define_flag(name, int, _GROUP, help)
    program.define_flag("shard", str, _GROUP, "i/n: do the i-th of n shares of the runs.")
    program.define_flag("dry_run", bool, _GROUP, "List the runs, one a line, and stop.")


def chosen(modules):
    """The experiment that the flags name; raises `UserError` if they leave out what is required."""
    values = flags.FLAGS
    if values.name is None:
        raise UserError(f"--name is required: one of {', '.join(modules)}.")
    if values.out is None and not values.dry_run:
        raise UserError("--out is required: the directory of the experiment.")
    return modules[values.name]


def given(command):
    """What is asked for, a `Given`; `command` is the program, as `python -m gan.experiment`."""
    values = flags.FLAGS
    return Given(values.name, values.out, values.shard, values.dry_run, command)


def options(experiment, lists, numbers, others, fields):
    """What the flags say of an experiment, a dict.

    Args:
        experiment: the module.
        lists, numbers: of `define`.
        others: names of flags of the program beside these.
        fields: names of flags that override a configuration's fields.

    Returns:
        dict of `scale`, the lists, the numbers and the others by name, None where a flag is left
        out, and `override`, a function from a configuration to the one with the flags' values.

    Raises:
        UserError: a flag is given that the experiment does not take, or a number is below one.
    """
    values = flags.FLAGS
    for name in (*lists, *numbers, *others, *fields):
        if getattr(values, name) is not None and name not in experiment.FLAGS:
            raise UserError(
                f"--{name} is not a flag of {values.name}, which takes "
                f"{', '.join(experiment.FLAGS)}."
            )
    found = {name: getattr(values, name) for name in (*lists, *numbers, *others)}
    for name in numbers:
        if found[name] is not None and found[name] < 1:
            raise UserError(f"--{name} must be at least 1. Received: {name}={found[name]}")
    for name in lists:
        found[name] = found[name] and found[name].split(",")
    own = [name for name in fields if name in experiment.FLAGS]
    return found | {
        "scale": values.scale or SCALES[0],
        "override": lambda config: program.override(config, own),
    }
