"""Which estimate of population statistics is better: the covariance's or the matrix's.

Figure I of Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
supplement, section B, and section 3.3 of the paper. An estimate does not touch the training
computation: layers follow both, and one training serves both.
"""

import dataclasses
import statistics

from classify import presets
from classify.experiments import flags, trained
from harness.config import CHANNELS, numbers_of
from harness.experiments.experiment import Experiment, Flag, Job, chosen
from harness.experiments.trained import PRODUCT, write_result
from harness.figures import charts
from harness.norm_names import whitenings

# The supplement draws ZCA and CD, and does not print its widths and batch sizes: these are ours.
PAPER = {
    "norms": ("zca", "cd"),
    "widths": (16, 32, 64, 128, 256, 512),
    "batch_sizes": (16, 32, 64, 128, 256, 512, 1024),
    "rates": (0.5, 1.0),
}
# Ours: some three quarters of an hour on two cores.
SMALL = {
    "norms": ("zca", "cd"),
    "widths": (32, 64, 128, 256),
    "batch_sizes": (32, 128, 1024),
    "rates": (0.5, 1.0),
}
SMALL_FIELDS = {"epochs": 2.0, "eval_every": 1_000_000, "log_every": 50}


def jobs(request):
    """One for each method, rate, width, batch size and seed: a seed first, its quick ones first."""
    small = request.scale == "small"
    grid = SMALL if small else PAPER
    config = dataclasses.replace(presets.MLP, **(SMALL_FIELDS if small else {}))
    seeds = 1 if request.seeds is None else request.seeds
    base = request.override(config)
    return [
        Job(
            f"{norm}_rate_{rate:g}_width_{width}_batch_{batch_size}_seed_{seed}",
            dataclasses.replace(
                request.override(presets.whitened(config, norm)),
                learning_rate=rate,
                batch_size=batch_size,
                width=width,
                seed=seed,
            ),
        )
        for seed in range(base.seed, base.seed + seeds)
        for rate in _numbers(request.rates, grid["rates"], float)
        for batch_size in sorted(_numbers(request.batch_sizes, grid["batch_sizes"], int))[::-1]
        for width in sorted(_numbers(request.widths, grid["widths"], int))
        for norm in chosen("norms", request.norms or grid["norms"], whitenings())
    ]


def _numbers(given, default, kind):
    return list(dict.fromkeys(map(kind, given or default)))


def carry_out(config, directory):
    """Trains as `classify.train` does, with layers that follow both estimates."""
    from classify.experiments.two_estimates import Run

    Run(config, directory.path).train()
    write_result(directory)


# By the covariance and by the matrix.
_ACCURACIES = ("test_accuracy", "matrix_test_accuracy")


def _accuracies(outcome):
    """In percent by the covariance and by the matrix; None if the run has diverged."""
    if outcome.state != "complete":
        return None
    row = outcome.read(PRODUCT, *_ACCURACIES)
    return tuple(100 * row[name] for name in _ACCURACIES)


def describe(outcome):
    """A complete run in a few words."""
    by_covariance, by_matrix = _accuracies(outcome)
    return f"accuracy {by_covariance:.2f} % by the covariance, {by_matrix:.2f} % by the matrix"


def report(outcomes, out):
    """Figure I: the difference of the accuracies over width and batch size, means over seeds."""
    cells, rows, panels = {}, [], {}
    for outcome in outcomes:
        config = outcome.job.config
        cell = (config.norm, config.learning_rate, config.width, config.batch_size)
        cells.setdefault(cell, []).append(_accuracies(outcome))
    for (norm, rate, width, batch_size), runs in cells.items():
        there = [accuracies for accuracies in runs if accuracies is not None]
        by_covariance, by_matrix = zip(*there, strict=True) if there else ((), ())
        differences = [a - b for a, b in there]
        title = f"{norm.upper()}, learning rate {rate:g}"
        panels.setdefault(title, {})[batch_size, width] = _mean(differences)
        rows.append(
            {
                "method": norm,
                "learning rate": rate,
                "width": width,
                "batch size": batch_size,
                "by the covariance, %": _mean(by_covariance),
                "by the matrix, %": _mean(by_matrix),
                "difference, points": _mean(differences),
                "least": min(differences, default=None),
                "greatest": max(differences, default=None),
                "runs": len(runs),
                "diverged": len(runs) - len(there),
            }
        )
    config = outcomes[0].job.config
    caption = (
        f"Accuracy on the test split of {config.dataset} after {trained.length(config)}, by moving "
        "covariances and by moving whitening matrices of the same training: means over seeds, and "
        "the least and greatest difference."
    )
    out.write(table=(caption, rows))
    charts.write_heat_maps(
        out / "figure.png",
        panels,
        "batch size",
        "width, units of a hidden layer",
        "accuracy by covariance minus by matrix, percentage points",
    )


def _mean(values):
    return statistics.mean(values) if values else None


EXPERIMENT = Experiment(
    name="estimation",
    summary="MLPs by the covariance's estimate or the matrix's, by width and batch: figure I",
    flags=(
        flags.NORMS,
        Flag(
            "widths",
            "How many units each hidden layer has.",
            is_list=True,
            check=numbers_of(int, CHANNELS),
        ),
        flags.BATCH_SIZES,
        flags.RATES,
        flags.SEEDS,
    ),
    fields=(
        "group_size",
        # The learning rate is one of `rates`.
        *(field for field in trained.FIELDS if field != "learning_rate"),
    ),
    jobs=jobs,
    carry_out=carry_out,
    product=PRODUCT,
    free=trained.FREE,
    describe=describe,
    report=report,
)
