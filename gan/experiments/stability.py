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

# Table III, with the non-saturating loss: the best FID, and the IS of that run.
PUBLISHED = {
    "bn": {"scale_shift": (30.26, "7.141 ± 0.066"), "coloring": (28.35, "7.264 ± 0.122")},
    "cd": {"scale_shift": (30.40, "7.135 ± 0.066"), "coloring": (25.97, "7.362 ± 0.069")},
    "zca-64": {"scale_shift": (29.24, "7.128 ± 0.067"), "coloring": (26.78, "7.445 ± 0.094")},
    "itn": {"scale_shift": (29.02, "7.369 ± 0.104"), "coloring": (28.24, "7.396 ± 0.054")},
}
_UNKNOWN = (None, None)


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
                if has_estimate and flags.can_recover(norm, recovery):
                    methods.append((name, estimate, recovery))
    if not methods:
        raise UserError("--norms, --recoveries and --estimates leave no run.")
    return methods


def report(outcomes, out):
    """Table III's rows, and figures II to IV, of the runs' loss and norms."""
    config = outcomes[0].job.config
    names, loss = trained.names(outcomes), config.loss.replace("_", "-")
    distance, score = names
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
            [_best(*method, results, names) for method, results in methods.items()],
        ),
        table_iii=(
            f"As Table III: the best {distance} by recovery and method, and the {score} of that "
            "run, mean ± deviation"
            f"{'; published: with the non-saturating loss' if _is_papers(config, names) else ''}.",
            _in_columns(methods, config, names),
        ),
        runs=(
            "All runs.",
            [_row(*pair, names) for pairs in methods.values() for pair in pairs],
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
    panels = _panels(names, f"{distance}, {loss} loss, {config.steps:,} steps", values)
    for file, boxes in (("figure.png", norm_boxes), ("figure_estimates.png", estimate_boxes)):
        if boxes:
            charts.write_boxes(out / file, boxes, panels, distance, medians, missing="diverged")


def _median(distances):
    """In which a diverged run is worse than any other; None if it is of such a run."""
    median = statistics.median(math.inf if value is None else value for value in distances)
    return median if math.isfinite(median) else None


def _best(norm, estimate, recovery, results, names):
    """A row of the table: of one method over the settings."""
    config = results[0][0].job.config
    distance, score = names
    distances = [result.distance for _, result in results]
    finite = [value for value in distances if value is not None]
    best, best_result = _of_least_distance(results)
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
    if _is_papers(config, names):
        known = PUBLISHED.get(norm, {}) if estimate == "covariance" else {}
        row["FID of Table III"], row["IS of Table III"] = known.get(recovery, _UNKNOWN)
    return row


def _of_least_distance(results):
    """The pair of an outcome and its `Result` that is the best; diverged ones are the worst."""
    return min(results, key=lambda pair: math.inf if pair[1].distance is None else pair[1].distance)


def _is_papers(config, names):
    return names == trained.PUBLISHED and config.loss == "non_saturating"


def _in_columns(methods, config, names):
    """Two rows for each recovery, distance and score, by method; and what is published."""
    titles = {key: key[0] + " (matrix)" * (key[1] == "matrix") for key in methods}
    recoveries = dict.fromkeys(recovery for *_, recovery in methods)
    columns = dict.fromkeys(titles.values())
    values = {
        (key[2], titles[key]): _distance_and_score(_of_least_distance(results)[1])
        for key, results in methods.items()
    }
    published = {
        (recovery, column): PUBLISHED.get(column, {}).get(recovery, _UNKNOWN)
        for recovery in recoveries
        for column in columns
    }
    rows = []
    for found, said in ((values, ""), (published, ", published")):
        for recovery in recoveries if found is values or _is_papers(config, names) else ():
            for i, of in enumerate(names):
                row = {title: found.get((recovery, title), _UNKNOWN)[i] for title in columns}
                rows.append({"recovery": RECOVERIES[recovery] + said, "of": of, **row})
    return rows


def _distance_and_score(result):
    """The distance, and the score as the paper prints it, or None."""
    if result.score is None:
        return result.distance, None
    return result.distance, f"{result.score:.3f} ± {result.deviation:.3f}"


def _row(outcome, result, names):
    """A row of the table of all runs."""
    config = outcome.job.config
    return {
        "run": outcome.job.name,
        "setting": setting_of(config),
        names.distance: result.distance,
        names.score: result.score,
        "state": outcome.state,
    }


def _panels(names, title, values):
    """The full range, and one that shows the better runs: the paper's, or as much of the best."""
    panels = {f"{title}: all": (0, None)}
    finite = [value for distances in values.values() for value in distances if value is not None]
    if finite:
        best = min(finite)
        low, high = (20, 100) if names == trained.PUBLISHED else (0.75 * best, 4 * best)
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
            "Which moving averages to whiten with after training, see --estimate of gan.train: of "
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
