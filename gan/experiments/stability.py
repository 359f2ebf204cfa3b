"""Section C.2.1: how each normalization fares over 15 settings of the optimizer.

Tables II and III and figures II to IV of Huang et al., "An Investigation into the Stochasticity of
Batch Whitening", CVPR 2020, supplement, and figures 8 and 9 of the paper, which are figures II and
III in the range from 20 to 100.
"""

import dataclasses
import math
import statistics

from gan import presets
from gan.experiments import flags, trained
from gan.experiments.flags import RECOVERIES
from gan.experiments.settings import SETTINGS, chosen_settings, setting_of
from harness.errors import UserError
from harness.experiments.experiment import Experiment, Flag, Job, chosen
from harness.figures import charts
from harness.norm_names import estimates, norm_text, parse_norm, whitenings

# What the authors have run: norms, and of which estimates for inference.
NORMS = {
    "none": ("covariance",),
    "bn": ("covariance",),
    "cd-64": ("covariance",),
    "cd": ("covariance", "matrix"),
    "zca-16": ("covariance", "matrix"),
    "zca-32": ("covariance", "matrix"),
    "zca-64": ("covariance",),
    "itn": ("covariance", "matrix"),
}
SMALL_NORMS = {name: ("covariance",) for name in ("bn", "cd", "zca-16", "itn")}
LOSSES = ("hinge", "non_saturating")

# Table III, the best FID with the non-saturating loss.
PUBLISHED = {
    "bn": {"scale_shift": 30.26, "coloring": 28.35},
    "cd": {"scale_shift": 30.40, "coloring": 25.97},
    "zca-64": {"scale_shift": 29.24, "coloring": 26.78},
    "itn": {"scale_shift": 29.02, "coloring": 28.24},
}


def jobs(request):
    """One for each norm, estimate, recovery and setting."""
    config = dataclasses.replace(presets.PRESETS["cifar10_dcgan"], loss=request.loss or LOSSES[0])
    if request.scale == "small":
        config = dataclasses.replace(config, **trained.SMALL)
    config = request.override(config)
    return [
        Job(
            "_".join([norm, *[estimate] * (estimate == "matrix"), recovery, *setting.split(":")]),
            dataclasses.replace(
                config,
                estimate=estimate,
                recovery=recovery,
                **parse_norm(norm),
                **SETTINGS[setting],
            ),
        )
        for norm, estimate, recovery in _methods(request)
        for setting in chosen_settings(request.settings)
    ]


def _methods(request):
    """Norms, estimates and recoveries, where they mean something together."""
    authors = SMALL_NORMS if request.scale == "small" else NORMS
    asked = request.estimates and chosen("estimates", request.estimates, estimates())
    recoveries = chosen("recoveries", request.recoveries, RECOVERIES)
    methods = []
    for name in dict.fromkeys(request.norms or authors):
        norm = parse_norm(name)["norm"]
        for estimate in asked or authors.get(name, ["covariance"]):
            for recovery in recoveries:
                # Only whitenings have a matrix, and without a norm there is nothing to recover.
                has_estimate = estimate == "covariance" or norm in whitenings()
                if has_estimate and (recovery == "scale_shift" or norm != "none"):
                    methods.append((name, estimate, recovery))
    if not methods:
        raise UserError("--norms, --recoveries and --estimates leave no run.")
    return methods


def report(outcomes, out):
    """Table III's rows, and figures II to IV, of the runs' loss and norms."""
    config = outcomes[0].job.config
    distance, loss = trained.distance_name(config), config.loss.replace("_", "-")
    methods = {}
    for outcome in outcomes:
        config = outcome.job.config
        method = (norm_text(config.norm, config.group_size), config.estimate, config.recovery)
        methods.setdefault(method, []).append((outcome, trained.result(outcome)))
    out.write(
        table=(
            f"With the {loss} loss, the best {distance} of the settings and what comes with it, as "
            "Table III has it for the non-saturating loss. In the median, a diverged run is worse "
            f"than any other.{trained.warnings(outcomes)}",
            [_best(*method, results) for method, results in methods.items()],
        ),
        table_iii=(
            f"As Table III: the best {distance} by recovery and method"
            f"{'; published: with the non-saturating loss' if _is_papers(config) else ''}.",
            _in_columns(methods, config),
        ),
        runs=(
            "All runs.",
            [_row(*pair) for pairs in methods.values() for pair in pairs],
        ),
    )
    values = {
        method: [result.distance for _, result in results] for method, results in methods.items()
    }
    norm_boxes, estimate_boxes, medians = {}, {}, {}
    for (norm, estimate, recovery), distances in values.items():
        name = RECOVERIES[recovery]
        if estimate == "covariance":
            norm_boxes.setdefault(norm, {})[name] = distances
            medians[norm, name] = _median(distances)
        if (norm, "matrix", recovery) in values:
            label, series = f"{norm}\n{name}", f"moving {estimate}"
            estimate_boxes.setdefault(label, {})[series] = distances
            medians[label, series] = _median(distances)
    panels = _panels(config, f"{distance}, {loss} loss, {config.steps:,} steps", values)
    for file, boxes in (("figure.png", norm_boxes), ("figure_estimates.png", estimate_boxes)):
        if boxes:
            charts.write_boxes(out / file, boxes, panels, distance, medians, missing="diverged")


def _median(distances):
    """In which a diverged run is worse than any other; None if it is of such a run."""
    median = statistics.median(math.inf if value is None else value for value in distances)
    return median if math.isfinite(median) else None


def _best(norm, estimate, recovery, results):
    """A row of the table: of one method over the settings."""
    config = results[0][0].job.config
    distance, score = trained.distance_name(config), trained.score_name(config)
    distances = [result.distance for _, result in results]
    finite = [value for value in distances if value is not None]
    best, best_result = min(
        results, key=lambda pair: math.inf if pair[1].distance is None else pair[1].distance
    )
    row = {
        "norm": norm,
        "estimate": estimate if config.norm in whitenings() else None,
        "recovery": RECOVERIES[recovery],
        f"best {distance}": best_result.distance,
        score: best_result.score,
        f"{score} deviation": best_result.deviation,
        "at": setting_of(best.job.config) if finite else None,
        f"median {distance}": _median(distances),
        "runs": len(results),
        "diverged": len(results) - len(finite),
    }
    if _is_papers(config):
        known = PUBLISHED.get(norm, {}) if estimate == "covariance" else {}
        row["FID of Table III"] = known.get(recovery)
    return row


def _is_papers(config):
    return trained.distance_name(config) == "FID" and config.loss == "non_saturating"


def _in_columns(methods, config):
    """A row for each recovery, with the best distance of each method; and what is published."""
    names = {key: key[0] + " (matrix)" * (key[1] == "matrix") for key in methods}
    columns = list(dict.fromkeys(names.values()))
    rows = {recovery: dict.fromkeys(columns) for *_, recovery in methods}
    for key, results in methods.items():
        distances = [result.distance for _, result in results if result.distance is not None]
        rows[key[2]][names[key]] = min(distances, default=None)
    made = [{"recovery": RECOVERIES[name], **row} for name, row in rows.items()]
    if _is_papers(config):
        made += [
            {
                "recovery": f"{RECOVERIES[name]}, published",
                **{column: PUBLISHED.get(column, {}).get(name) for column in columns},
            }
            for name in rows
        ]
    return made


def _row(outcome, result):
    """A row of the table of all runs."""
    config = outcome.job.config
    return {
        "run": outcome.job.name,
        "setting": setting_of(config),
        trained.distance_name(config): result.distance,
        trained.score_name(config): result.score,
        "state": outcome.state,
    }


def _panels(config, title, values):
    """The full range, and one that shows the better runs: the paper's, or as much of the best."""
    panels = {f"{title}: all": (0, None)}
    finite = [value for distances in values.values() for value in distances if value is not None]
    if finite:
        best = min(finite)
        low, high = (20, 100) if trained.distance_name(config) == "FID" else (0.75 * best, 4 * best)
        panels[f"{title}: {low:.3g} to {high:.3g}"] = (low, high)
    return panels


EXPERIMENT = Experiment(
    name="stability",
    summary="every normalization over 15 settings of the optimizer: tables II, III, figures II-IV",
    flags=(
        Flag(
            "loss",
            "What the networks are trained by: hinge makes Figures II and III (8 and 9 of the "
            "paper), non_saturating Table III and Figure IV.",
            choices=LOSSES,
            default=LOSSES[0],
        ),
        flags.NORMS,
        flags.RECOVERIES_ASKED,
        Flag(
            "estimates",
            "Of what a whitening keeps a moving average, to whiten with after training, of "
            f"{', '.join(estimates())}.",
            is_list=True,
        ),
        flags.SETTINGS_ASKED,
    ),
    fields=trained.FIELDS,
    jobs=jobs,
    report=report,
    **trained.TRAINS,
    paper_takes=("loss",),
)
