"""Sections 4.2.2 and C.1: ResNet-18 and ResNet-50 on ImageNet, with whitening in some places.

Of ResNet-50 that is Table I of Huang et al., "An Investigation into the Stochasticity of Batch
Whitening", CVPR 2020, supplement; of ResNet-18 the runs are those of the authors' scripts.
"""

import dataclasses
import typing

from classify import presets
from classify.experiments import flags, trained
from classify.experiments.trained import accuracy
from harness.experiments.experiment import Experiment, Job, chosen
from harness.figures import charts
from harness.norm_names import norm_text


class Row(typing.NamedTuple):
    """A row of Table I: its label, and top-1 accuracies in percent, by `SCHEDULES`."""

    label: str
    steps: float
    cosine: float


# What a preset is called, and the two networks.
PRESET = "imagenet_{arch}_{norm}"
RESNET_18, RESNET_50 = "resnet18", "resnet50"

# By the norm of a preset.
TABLE_I = {
    "bn": Row("BN", 76.20, 76.62),
    "arc_b_itn_g64_matrix": Row("ItN, ARC_B", 77.07, 77.47),
    "arc_c_itn_g64_matrix": Row("ItN, ARC_C", 76.97, 77.43),
    "arc_b_itn_g256": Row("ItN Σ, ARC_B", 77.18, 77.68),
    "arc_c_itn_g256": Row("ItN Σ, ARC_C", 77.28, 77.92),
}
SCHEDULES = {"steps": "step decay", "cosine": "cosine decay"}

# By network, the norms of its presets, and the schedules.
_FIRST = PRESET.format(arch=RESNET_18, norm="")
ARCHS = {
    RESNET_18: (
        [name.removeprefix(_FIRST) for name in presets.PRESETS if name.startswith(_FIRST)],
        ["steps"],
    ),
    RESNET_50: (list(TABLE_I), list(SCHEDULES)),
}

# Ours: for a folder of small images, or for Imagenette. Not of another depth, by which the two
# networks differ.
SMALL = {
    "dataset": "imagenette",
    "image_size": 64,
    "width": 16,
    "batch_size": 64,
    "epochs": 10.0,
    "log_every": 20,
    "checkpoint_every": 500,
}


def jobs(request):
    """One for each network, norm and schedule."""
    archs = chosen("archs", request.archs, ARCHS)
    asked = chosen(
        "norms", request.norms, dict.fromkeys(n for arch in archs for n in ARCHS[arch][0])
    )
    small = SMALL if request.scale == "small" else {}
    jobs = []
    for arch in archs:
        norms, schedules = ARCHS[arch]
        for norm in (norm for norm in asked if norm in norms):
            for schedule in schedules:
                config = presets.PRESETS[PRESET.format(arch=arch, norm=norm)]
                config = dataclasses.replace(config, schedule=schedule, **small)
                jobs.append(Job(_name(arch, norm, schedule), request.override(config)))
    return jobs


def _name(arch, norm, schedule):
    """A job's name; those of ResNet-50 do not say so."""
    return f"{norm}_{schedule}" if arch == RESNET_50 else f"{arch}_{norm}_{schedule}"


def report(outcomes, out):
    """Table I, with the paper's accuracies beside ours, and a table of ResNet-18."""
    of_arch = {arch: [] for arch in ARCHS}
    for outcome in outcomes:
        is_first = outcome.job.name.startswith(f"{RESNET_18}_")
        of_arch[RESNET_18 if is_first else RESNET_50].append(outcome)
    writers = {RESNET_50: ("table", _table_i), RESNET_18: ("resnet18", _resnet_18)}
    out.write(
        **{name: write(of_arch[a], out) for a, (name, write) in writers.items() if of_arch[a]}
    )


def _caption(config):
    return (
        f"Top-1 accuracy of a ResNet-{config.depth} of width {config.width} on {config.dataset}'s "
        f"split {config.test_split} at {config.image_size} x {config.image_size}, after "
        f"{trained.length(config)}."
    )


def _table_i(outcomes, out):
    """Caption and rows of Table I; draws the figure."""
    config = outcomes[0].job.config
    by_name = {outcome.job.name: outcome for outcome in outcomes}
    rows = []
    panels = {
        f"ResNet-{config.depth}, {config.dataset}, {decay}": {} for decay in SCHEDULES.values()
    }
    for norm in dict.fromkeys(name.rsplit("_", 1)[0] for name in by_name):
        label = TABLE_I[norm].label
        row = {"norm": label}
        for schedule, panel in zip(SCHEDULES, panels.values(), strict=True):
            decay, published = SCHEDULES[schedule], getattr(TABLE_I[norm], schedule)
            outcome = by_name[_name(RESNET_50, norm, schedule)]
            row[f"{decay}, %"] = accuracy(outcome)
            row[f"Table I, {decay}, %"] = published
            shown = label + ("\n(diverged)" if outcome.state == "diverged" else "")
            panel[shown] = {"here": accuracy(outcome), "Table I: ResNet-50, ImageNet": published}
        row["diverged"] = sum(by_name[f"{norm}_{each}"].state == "diverged" for each in SCHEDULES)
        rows.append(row)
    charts.write_bars(out / "figure.png", panels, "top-1 accuracy, %")
    caption = (
        f"{_caption(config)} Table I is of a ResNet-50 on ImageNet, 100 epochs at 224 x 224. ItN "
        "is in groups of 64 by the moving matrix, ItN Σ in groups of 256 by the moving covariance."
    )
    return caption, rows


def _resnet_18(outcomes, out):
    """Caption and rows of ResNet-18; draws the figure."""
    config = outcomes[0].job.config
    rows, bars = [], {}
    for outcome in outcomes:
        own = outcome.job.config
        whitens = own.variant != "plain"
        row = {
            "norm": own.norm,
            "place": own.variant if whitens else None,
            "channels in a group": (own.group_size or "all") if whitens else None,
            "estimate": own.estimate if whitens else None,
            "step decay, %": accuracy(outcome),
            "state": outcome.state,
        }
        rows.append(row)
        text = norm_text(own.norm, own.group_size)
        label = f"{own.variant}, {text}, {own.estimate}" if whitens else text
        bars[label] = {"": accuracy(outcome)}
    title = f"ResNet-{config.depth}, {config.dataset}: top-1 accuracy, %"
    charts.write_rows(out / "figure_resnet18.png", {title: bars}, missing="diverged")
    return f"{_caption(config)} Nothing that is published is beside it.", rows


EXPERIMENT = Experiment(
    name="imagenet",
    summary="ResNet-18 and ResNet-50 by whitening and its place: section 4.2.2, table I",
    flags=(flags.ARCHS, flags.NORMS),
    fields=("batch_size", "width", *trained.FIELDS),
    jobs=jobs,
    report=report,
    **trained.TRAINS,
)
