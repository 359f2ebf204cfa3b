"""Batches of 2: unitization against batch and group normalization.

Table 1 of Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
Unitizing Layers' Outputs", CVPR 2020, supplement, section 3.
"""

import dataclasses
import statistics

from classify import presets
from classify.experiments import flags, trained
from classify.experiments.trained import accuracy
from harness.config import TIMES
from harness.experiments.experiment import Experiment, Flag, Job, chosen
from harness.figures import charts

NORMS = presets.MICRO_NORMS
# What the points of the figure are.
SERIES = "accuracy"
SEEDS = 3

# Table 1, accuracy in percent.
PUBLISHED = {
    "gn_g1": 10.00,
    "gn_g2": 10.00,
    "gn_g4": 10.00,
    "gn_g8": 71.63,
    "gn_g16": 73.76,
    "gn_c1": 79.54,
    "gn_c2": 73.58,
    "gn_c4": 70.68,
    "gn_c8": 72.04,
    "gn_c16": 10.00,
    "bn": 71.50,
    "unitization": 81.88,
}

# Ours: some four minutes a run on a core.
SMALL = {
    "depth": 20,
    "train_size": 10_000,
    "epochs": 3.0,
    "log_every": 500,
    "eval_every": 7_500,
    "checkpoint_every": 5_000,
}
SMALL_REPEATED = ("bn", "unitization")


def jobs(request):
    """One for each norm and seed, those of the first seed first."""
    config, repeated = presets.MICRO_BATCH, NORMS
    if request.scale == "small":
        config, repeated = dataclasses.replace(config, **SMALL), SMALL_REPEATED
    config = request.override(config)
    repeated = chosen("repeated", request.repeated or repeated, NORMS)
    return [
        Job(
            f"{norm}_seed_{config.seed + number}",
            dataclasses.replace(config, seed=config.seed + number, **NORMS[norm]),
        )
        for number in range(SEEDS if request.seeds is None else request.seeds)
        for norm in chosen("norms", request.norms, NORMS)
        if number == 0 or norm in repeated
    ]


def report(outcomes, out):
    """Table 1: the median accuracy of each norm, and its spread."""
    by_norm = {}
    for outcome in outcomes:
        name = outcome.job.name.split("_seed_")[0]
        by_norm.setdefault(name, []).append(accuracy(outcome))
    rows, medians = [], {}
    for name, accuracies in by_norm.items():
        # A run that has diverged is worse than any other.
        ordered = [-1.0 if value is None else value for value in accuracies]
        median = statistics.median_low(ordered)  # of a run, not between two
        medians[_tick(name), SERIES] = median if median >= 0 else None
        there = [value for value in accuracies if value is not None]
        rows.append(
            {
                "normalization": _label(name),
                "median accuracy, %": medians[_tick(name), SERIES],
                "least, %": min(there, default=None),
                "greatest, %": max(there, default=None),
                "runs": len(accuracies),
                "diverged": len(accuracies) - len(there),
                "Table 1, %": PUBLISHED[name],
            }
        )
    config = outcomes[0].job.config
    caption = (
        f"Accuracy on the test split after {_length(config)} in batches of "
        f"{config.batch_size}; Table 1 is of a ResNet-110, 200 epochs and all of CIFAR-10."
    )
    out.write(table=(caption, rows))
    charts.write_boxes(
        out / "figure.png",
        {_tick(name): {SERIES: values} for name, values in by_norm.items()},
        {f"ResNet-{config.depth}, batches of {config.batch_size}": (None, None)},
        "test accuracy, %",
        medians=medians,
        missing="diverged",
    )


def _length(config):
    return f"{config.steps:,} steps" if config.steps else f"{config.epochs:g} epochs"


def _tick(name):
    """A label in as many lines as words."""
    return _label(name).replace(" ", "\n")


def _label(name):
    kind, _, division = name.partition("_")
    if not division:
        return {"bn": "BN", "unitization": "unitization"}[kind]
    number = int(division[1:])
    plural = "s" * (number > 1)
    if division[0] == "g":
        return f"GN {number} group{plural}"
    return f"GN {number} channel{plural} each"


EXPERIMENT = Experiment(
    name="micro_batch",
    summary="unitization, batch and group normalization in batches of 2: table 1",
    flags=(
        flags.NORMS,
        Flag(
            "repeated",
            "Those of the normalizations that are run with each seed, not the first alone.",
            is_list=True,
        ),
        Flag(
            "seeds",
            "Number of seeds, from --seed on.",
            int,
            check=TIMES,
            default=str(SEEDS),
        ),
    ),
    fields=("batch_size", "width", *trained.FIELDS),
    jobs=jobs,
    report=report,
    **trained.TRAINS,
)
