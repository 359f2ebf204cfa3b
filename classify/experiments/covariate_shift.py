"""How far layers' outputs go in an epoch, and accuracy, as the learning rate falls.

Figure 1 of Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks
by Unitizing Layers' Outputs", CVPR 2020, supplement, section 2: measured while networks are
trained, or afterwards, from the checkpoints of a run that has kept them.
"""

import dataclasses
import json

from classify.config import Config
from classify.experiments import measured_checkpoints, shift_report, trained
from classify.experiments.measured_checkpoints import MeasuredCheckpoints
from harness.errors import UserError
from harness.experiments.perform import chosen
from harness.experiments.sweep import Run
from harness.files import write_whole

__all__ = ["FLAGS", "FREE", "PRODUCT", "carry_out", "describe", "report", "runs"]

SHIFT = (
    "shift_estimators",
    "shift_layers",
    "shift_samples",
    "shift_every",
    "shift_steps",
    "shift_rate",
)
# Left out are that of which each run has its own, and that which is as `shift_every`.
SHARED = [flag for flag in trained.FLAGS if flag not in ("dataset", "eval_every")]
FLAGS = ("datasets", "norms", "schedules", "batch_size", "width", "run_dir", *SHIFT, *SHARED)
PRODUCT = "shift.json"
FREE = (*trained.FREE, "run_dir")

DATASETS = ("cifar10", "cifar100")
NORMS = ("unitization", "bn")
SCHEDULES = ("steps", "constant")

PAPER = {
    "grid": {"datasets": DATASETS, "norms": ("unitization",), "schedules": ("steps",)},
    "fields": {"shift_estimators": "clipped"},
}
# Ours: some hour and a half of two cores. The critic's steps are a fifth as many, and five times as
# long; so are an epoch's steps and what moving averages forget in each. A run whose rate does not
# fall tells what comes of training longer.
SMALL = {
    "grid": {"datasets": DATASETS, "norms": ("unitization",), "schedules": SCHEDULES},
    "fields": {
        "depth": 20,
        "train_size": 10_000,
        "epochs": 20.0,
        "norm_momentum": 0.95,
        "shift_estimators": "clipped,sliced,exact",
        # Of the last two stages, as the paper's are: the 13th, 16th and 19th normalization of 20.
        "shift_layers": "stage_2_block_3_norm_2,stage_3_block_2_norm_1,stage_3_block_3_norm_2",
        "shift_samples": 4_000,
        "shift_steps": 300,
        "shift_rate": 2.5e-4,
        "log_every": 78,
        "checkpoint_every": 78,
        "keep_checkpoints": None,
    },
}


def runs(options):
    """One for each dataset, normalization and schedule; or the one of a run's checkpoints."""
    if options.run_dir is not None:
        return [Run("checkpoints", measured_checkpoints.settings(options))]
    size = SMALL if options.scale == "small" else PAPER
    grid = size["grid"]
    config = options.override(dataclasses.replace(Config(), **size["fields"]))
    if config.shift_estimators is None:
        raise UserError("--shift_estimators are what is measured. Received: none")
    config = dataclasses.replace(config, eval_every=config.shift_every)
    return [
        Run(
            f"{dataset}_{norm}" + ("" if schedule == "steps" else f"_{schedule}_rate"),
            dataclasses.replace(config, dataset=dataset, norm=norm, schedule=schedule),
        )
        for dataset in chosen("datasets", options.datasets or grid["datasets"], DATASETS)
        for norm in chosen("norms", options.norms or grid["norms"], NORMS)
        for schedule in chosen("schedules", options.schedules or grid["schedules"], SCHEDULES)
    ]


def carry_out(config, directory):
    """Trains as `classify.train` does and measures every epoch, or measures a run's checkpoints."""
    if isinstance(config, MeasuredCheckpoints):
        source, config = config.run_dir, measured_checkpoints.measure(config, directory, FREE)
    else:
        trained.carry_out(config, directory)
        source = directory.path
    course = shift_report.course(config, directory, source)
    write_whole(directory / PRODUCT, json.dumps(course, indent=1) + "\n")


def describe(outcome):
    """A complete run in a few words."""
    row = shift_report.read(outcome, PRODUCT)["rows"][-1]
    distances = [
        f"{name.removeprefix('shift_')} {value:.3g}"
        for name, value in row.items()
        if name.startswith("shift_") and "/" not in name and not name.endswith("_null")
    ]
    return f"accuracy {row['test_accuracy']:.2%}, last distances {', '.join(distances)}"


def report(outcomes, out):
    """Figure 1, a table of what became of the distances where the rate fell, and the numbers."""
    shift_report.write({each.run.name: shift_report.read(each, PRODUCT) for each in outcomes}, out)
