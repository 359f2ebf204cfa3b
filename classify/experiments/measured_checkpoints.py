"""Covariate shift between the checkpoints of a run, measured after it."""

import dataclasses
import zlib

import tensorflow as tf

from classify import inputs
from classify.config import Config
from classify.identity import subset_of
from classify.run import Run
from classify.saved import run_config
from harness.datasets.damage import reason
from harness.errors import UserError
from harness.run import checkpoints
from harness.run.directory import History, RunDirectory
from harness.run.identity import check_data


@dataclasses.dataclass(frozen=True)
class MeasuredCheckpoints:
    """A run whose checkpoints are measured, and how: `shift_` fields of `config.Config`.

    `run` is a checksum of the run's configuration and history, and `seed` the run's own.
    """

    run_dir: str
    run: str
    seed: int
    data_dir: str | None
    shift_estimators: str
    shift_layers: str | None
    shift_samples: int | None
    shift_every: int | None
    shift_steps: int | None
    shift_rate: float | None


# Fields of the run's configuration that may be given anew.
_OWN = [
    item.name
    for item in dataclasses.fields(MeasuredCheckpoints)
    if item.name == "data_dir" or item.name.startswith("shift_")
]


def settings(request):
    """What the flags say; what they leave out is as the run has it."""
    for name in ("datasets", "norms", "schedules", "seeds"):
        if getattr(request, name) is not None:
            raise UserError(
                f"--{name} chooses which runs to train, and --run_dir measures one that is "
                "trained: leave one of them out."
            )
    known = run_config(request.run_dir)
    folder = RunDirectory(request.run_dir)
    if not (folder / "model").exists():
        raise UserError(f"The run in {folder.path} is not complete: train it to its end first.")
    given = request.override(known)
    if given.shift_estimators is None:
        raise UserError(
            "The run was trained without --shift_estimators: give those to measure it by."
        )
    other = [
        f"--{item.name}"
        for item in Config.options()
        if item.name not in _OWN and getattr(given, item.name) != getattr(known, item.name)
    ]
    if other:
        raise UserError(
            "--run_dir measures a run as it was trained, so that no other flag can change it: "
            f"leave {', '.join(other)} out."
        )
    content = b"".join((folder / name).read_bytes() for name in ("config.json", "metrics.jsonl"))
    return MeasuredCheckpoints(
        run_dir=request.run_dir,
        run=f"{zlib.crc32(content):08x}",
        seed=known.seed,
        **{name: getattr(given, name) for name in _OWN},
    )


def measure(config, directory, free):
    """Writes `metrics.jsonl`: a line for each state a period after another, and goes on with it.

    The first state is the network before its first step, which its seed makes again.

    Args:
        config: a `MeasuredCheckpoints`.
        directory: a `RunDirectory`, which becomes that of the measurement once nothing is amiss.
        free: fields in which that may differ when it goes on.

    Returns:
        The `Config` of the run, with how it was measured.
    """
    values = {name: getattr(config, name) for name in _OWN}
    run = Run(dataclasses.replace(run_config(config.run_dir), strategy="default", **values))
    of_run = RunDirectory(config.run_dir, writes=False)
    run.subset = subset_of(of_run)
    run.prepare()
    parts, shift = run.parts, run.shift
    check_data(of_run, run.facts)
    model = parts.trainer.model
    saved = _saved(config.run_dir)
    pairs = _pairs(config.run_dir, saved, shift.period)
    with directory.locked():
        directory.begin(dataclasses.asdict(config), free)
        history = History(directory)
        done = max((row["step"] for row in history.rows()), default=0)
        history.truncate(done)
        was = 0
        for step in pairs:
            if step <= done:
                continue
            if step - shift.period != was:
                _restore(model, config.run_dir, step - shift.period)
                shift.follow()
            _restore(model, config.run_dir, step)
            values = shift()
            was = step
            batches = inputs.named_evaluation_batches(
                parts.test, parts.scaling, run.config.image_size
            )
            values["test_accuracy"] = parts.trainer.evaluate(batches)["test_accuracy"]
            history.record(step, values)
            history.flush()
            print(f"step {step}: {shift.describe(values)}", flush=True)
    return run.config


def _pairs(run_dir, saved, period):
    """Steps of the states that are compared, each with the one a period before."""
    steps = [step for step in saved if step % period == 0 and step - period in (0, *saved)]
    if not steps:
        raise UserError(
            f"{run_dir} has kept checkpoints of the steps {', '.join(map(str, saved))}: none is a "
            f"period of {period} steps after another or after the start. Give another "
            f"--shift_every, or train with --keep_checkpoints=none --checkpoint_every={period}."
        )
    return steps


def _saved(run_dir):
    """The steps of a run's checkpoints, ascending."""
    folder = RunDirectory(run_dir) / "checkpoints"
    steps = checkpoints.steps(folder)
    if not steps:
        raise UserError(f"There are no checkpoints in {folder}.")
    return steps


def _restore(model, run_dir, step):
    folder = RunDirectory(run_dir) / "checkpoints"
    said = checkpoints.damage(folder, step)
    if said is not None:
        raise UserError(f"The checkpoint {folder}/ckpt-{step} is not whole: {said}.")
    status = checkpoints.read(tf.train.Checkpoint(model=model), folder, step)
    try:
        status.expect_partial().assert_existing_objects_matched()
    except AssertionError as error:
        raise UserError(f"{folder}/ckpt-{step} is of another network: {reason(error)}") from error
