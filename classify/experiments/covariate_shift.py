"""How far layers' outputs go in an epoch, and accuracy, as the learning rate falls.

Figure 1 of Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks
by Unitizing Layers' Outputs", CVPR 2020, supplement, section 2: measured while networks are
trained, or afterwards, from the checkpoints of a run that has kept them.
"""

import dataclasses

from classify.config import Config
from classify.experiments import flags, shift_report, trained
from harness import sealed
from harness.errors import UserError
from harness.experiments.experiment import Experiment, Flag, Job, chosen

SHIFT = (
    "shift_estimators",
    "shift_layers",
    "shift_samples",
    "shift_every",
    "shift_steps",
    "shift_rate",
)
PRODUCT = "shift.json"
FREE = (*trained.FREE, "run_dir")

PAPERS_DATASETS = ("cifar10", "cifar100")
DATASETS = (*PAPERS_DATASETS, "fashion_mnist")
NORMS = ("unitization", "bn")
SCHEDULES = ("steps", "constant")

PAPER = {
    "grid": {"datasets": PAPERS_DATASETS, "norms": ("unitization",), "schedules": ("steps",)},
    "fields": {"shift_estimators": "clipped"},
}
# Ours: some hour and a half of two cores. The critic's steps are a fifth as many, and five times as
# long; so are an epoch's steps and what moving averages forget in each. A run whose rate does not
# fall tells what comes of training longer.
SMALL = {
    "grid": {"datasets": PAPERS_DATASETS, "norms": ("unitization",), "schedules": SCHEDULES},
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


def jobs(request):
    """One for each seed, dataset, norm and schedule; or the one of a run's checkpoints."""
    if request.run_dir is not None:
        from classify.experiments.measured_checkpoints import settings

        return [Job("checkpoints", settings(request))]
    size = SMALL if request.scale == "small" else PAPER
    grid = size["grid"]
    config = request.override(dataclasses.replace(Config(), **size["fields"]))
    if config.shift_estimators is None:
        raise UserError("--shift_estimators must name what is measured, as sliced. Received: none")
    config = dataclasses.replace(config, eval_every=config.shift_every)
    seeds = range(config.seed, config.seed + (request.seeds or 1))
    return [
        Job(
            _name(dataset, norm, schedule, seed if len(seeds) > 1 else None),
            dataclasses.replace(config, dataset=dataset, norm=norm, schedule=schedule, seed=seed),
        )
        for seed in seeds
        for dataset in chosen("datasets", request.datasets or grid["datasets"], DATASETS)
        for norm in chosen("norms", request.norms or grid["norms"], NORMS)
        for schedule in chosen("schedules", request.schedules or grid["schedules"], SCHEDULES)
    ]


def _name(dataset, norm, schedule, seed):
    rate = "" if schedule == "steps" else f"_{schedule}_rate"
    return f"{dataset}_{norm}{rate}" + ("" if seed is None else f"{shift_report.SEED}{seed}")


def carry_out(config, directory):
    """Trains as `classify.train` does and measures every epoch, or measures a run's checkpoints."""
    from classify.experiments.measured_checkpoints import MeasuredCheckpoints, measure

    if isinstance(config, MeasuredCheckpoints):
        source, config = config.run_dir, measure(config, directory, FREE)
    else:
        trained.carry_out(config, directory)
        source = directory.path
    course = shift_report.course_of(config, directory, source)
    sealed.write(directory / PRODUCT, course, indent=1)


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
    courses = {outcome.job.name: shift_report.read(outcome, PRODUCT) for outcome in outcomes}
    shift_report.write(courses, out)


EXPERIMENT = Experiment(
    name="covariate_shift",
    summary="how far layers' outputs go in an epoch, as the learning rate falls: figure 1",
    flags=(
        Flag(
            "datasets",
            f"Which datasets to train on, of {', '.join(DATASETS)}.",
            is_list=True,
            default=",".join(PAPERS_DATASETS),
        ),
        flags.NORMS,
        Flag(
            "schedules",
            f"How the learning rate goes, of {', '.join(SCHEDULES)}: it falls at three points, or "
            "stays.",
            is_list=True,
        ),
        flags.SEEDS,
        flags.RUN_DIR,
    ),
    fields=(
        "batch_size",
        "width",
        *SHIFT,
        # Each job has a dataset of its own, and is evaluated every `shift_every`.
        *(field for field in trained.FIELDS if field not in ("dataset", "eval_every")),
    ),
    jobs=jobs,
    carry_out=carry_out,
    product=PRODUCT,
    free=FREE,
    describe=describe,
    report=report,
    is_papers=lambda request: request.run_dir is None,
)
