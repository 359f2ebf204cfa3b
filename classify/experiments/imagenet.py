"""Section C.1: ResNet-50 on ImageNet, with whitening in the places of ARC_B and ARC_C.

Table I of Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
supplement.
"""

import dataclasses
import typing

from classify import presets
from classify.experiments import flags, trained
from classify.experiments.trained import accuracy
from harness.experiments.experiment import Experiment, Job, chosen
from harness.figures import charts


class Row(typing.NamedTuple):
    """A row of Table I: its label, and top-1 accuracies in percent, by `SCHEDULES`."""

    label: str
    steps: float
    cosine: float


# By what a preset is called after "imagenet_resnet50_".
NORMS = {
    "bn": Row("BN", 76.20, 76.62),
    "arc_b_itn_g64_matrix": Row("ItN, ARC_B", 77.07, 77.47),
    "arc_c_itn_g64_matrix": Row("ItN, ARC_C", 76.97, 77.43),
    "arc_b_itn_g256": Row("ItN Σ, ARC_B", 77.18, 77.68),
    "arc_c_itn_g256": Row("ItN Σ, ARC_C", 77.28, 77.92),
}
SCHEDULES = {"steps": "step decay", "cosine": "cosine decay"}

# Ours: for a folder of small images, or for Imagenette.
SMALL = {
    "dataset": "imagenette",
    "image_size": 64,
    "depth": 18,
    "width": 16,
    "batch_size": 64,
    "epochs": 10.0,
    "log_every": 20,
    "checkpoint_every": 500,
}


def jobs(request):
    """One for each norm and schedule."""
    small = SMALL if request.scale == "small" else {}
    jobs = []
    for norm in chosen("norms", request.norms, NORMS):
        for schedule in SCHEDULES:
            config = presets.PRESETS[f"imagenet_resnet50_{norm}"]
            config = dataclasses.replace(config, schedule=schedule, **small)
            jobs.append(Job(f"{norm}_{schedule}", request.override(config)))
    return jobs


def report(outcomes, out):
    """Table I: the accuracies of each norm, beside the paper's."""
    config = outcomes[0].job.config
    by_name = {outcome.job.name: outcome for outcome in outcomes}
    norms = dict.fromkeys(name.rsplit("_", 1)[0] for name in by_name)
    rows = []
    panels = {
        f"ResNet-{config.depth}, {config.dataset}, {decay}": {} for decay in SCHEDULES.values()
    }
    for norm in norms:
        row = {"norm": NORMS[norm].label}
        for schedule, panel in zip(SCHEDULES, panels.values(), strict=True):
            decay, published = SCHEDULES[schedule], getattr(NORMS[norm], schedule)
            outcome = by_name[f"{norm}_{schedule}"]
            row[f"{decay}, %"] = accuracy(outcome)
            row[f"Table I, {decay}, %"] = published
            label = NORMS[norm].label + ("\n(diverged)" if outcome.state == "diverged" else "")
            panel[label] = {"here": accuracy(outcome), "Table I: ResNet-50, ImageNet": published}
        row["diverged"] = sum(by_name[f"{norm}_{each}"].state == "diverged" for each in SCHEDULES)
        rows.append(row)
    length = f"{config.steps:,} steps" if config.steps else f"{config.epochs:g} epochs"
    caption = (
        f"Top-1 accuracy of a ResNet-{config.depth} of width {config.width} on {config.dataset}'s "
        f"split {config.test_split} at {config.image_size} x {config.image_size}, after "
        f"{length}. Table I is of a ResNet-50 on ImageNet, 100 epochs at 224 x 224."
        " ItN is in groups of 64 by the moving matrix, ItN Σ in groups of 256 by the moving "
        "covariance."
    )
    out.write(table=(caption, rows))
    charts.write_bars(out / "figure.png", panels, "top-1 accuracy, %")


EXPERIMENT = Experiment(
    name="imagenet",
    summary="ResNet-50 with ItN in two places: table I",
    flags=(flags.NORMS,),
    fields=("batch_size", "width", *trained.FIELDS),
    jobs=jobs,
    report=report,
    **trained.TRAINS,
)
