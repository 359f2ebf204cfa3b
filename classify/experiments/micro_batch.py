"""Batches of 2: unitization against batch and group normalization.

Table 1 of Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by
Unitizing Layers' Outputs", CVPR 2020, supplement, section 3. Ours are two more normalizations, and
that each may be run at several learning rates.
"""

import dataclasses
import statistics

from classify import presets
from classify.experiments import by_rate, flags, trained
from classify.experiments.trained import accuracy
from harness.errors import UserError
from harness.experiments.experiment import Experiment, Flag, Job, chosen
from harness.figures import charts

# Of no table: they are run where --norms names them.
OURS = {
    "unitization_unit_interval": {"norm": "unitization", "alpha_constraint": "unit_interval"},
    "gw": {"norm": "gw"},
}
NORMS = presets.MICRO_NORMS | OURS
# What the points of the figure are.
SERIES = "accuracy"
LABELS = {
    "bn": "BN",
    "unitization": "unitization",
    "unitization_unit_interval": "unitization, alpha in [0,1]",
    "gw": "GW, ItN",
}
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
    """One for each norm, learning rate and seed, those of the first seed first."""
    config, repeated = presets.MICRO_BATCH, NORMS
    if request.scale == "small":
        config = dataclasses.replace(config, **SMALL)
        repeated = NORMS if request.rates else SMALL_REPEATED
    if request.rates and "learning_rate" in request.overrides:
        raise UserError(
            "--rates and --learning_rate must not be given both. Received: "
            f"rates={','.join(request.rates)}, learning_rate={request.overrides['learning_rate']}"
        )
    config = request.override(config)
    norms = chosen("norms", request.norms or presets.MICRO_NORMS, NORMS)
    repeated = chosen("repeated", request.repeated or repeated, NORMS)
    if request.repeated and not set(repeated) <= set(norms):
        raise UserError(
            f"--repeated must be of --norms. Received: repeated={','.join(repeated)}, "
            f"norms={','.join(norms)}"
        )
    seeds = range(config.seed, config.seed + (SEEDS if request.seeds is None else request.seeds))
    return [
        Job(
            f"{norm}{rate_name}_seed_{seed}",
            dataclasses.replace(config, seed=seed, learning_rate=rate, **NORMS[norm]),
        )
        for seed in seeds
        for rate, rate_name in _rates(request, config).items()
        for norm in norms
        if seed == config.seed or norm in repeated
    ]


def _rates(request, config):
    """What a learning rate adds to the names of its jobs; nothing where rates are not given."""
    if not request.rates:
        return {config.learning_rate: ""}
    return {rate: f"_rate_{rate:g}" for rate in map(float, request.rates)}


def report(outcomes, out):
    """Table 1, the median accuracy of each norm and its spread; of rates, the mean at each."""
    config, runs = outcomes[0].job.config, {}
    for outcome in outcomes:
        name = outcome.job.name.rpartition("_seed_")[0].partition("_rate_")[0]
        runs.setdefault(name, {}).setdefault(outcome.job.config.learning_rate, []).append(outcome)
    if any("_rate_" in outcome.job.name for outcome in outcomes):
        _report_rates(runs, config, out)
    else:
        _report_medians({name: at_rate.popitem()[1] for name, at_rate in runs.items()}, config, out)


def _report_medians(runs, config, out):
    rows, medians = [], {}
    for name, outcomes in runs.items():
        accuracies = [accuracy(outcome) for outcome in outcomes]
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
                "Table 1, %": PUBLISHED.get(name),
            }
        )
    out.write(
        table=(
            f"{_caption(config)}; Table 1 is of a ResNet-110, 200 epochs and all of CIFAR-10.",
            rows,
        )
    )
    _draw({name: {SERIES: outcomes} for name, outcomes in runs.items()}, config, out, medians)


def _report_rates(runs, config, out):
    out.write(
        table=(
            f"{_caption(config)}, at the learning rate whose mean is best, and how many points "
            "more than BN's at its own, with a 95 % interval by Welch's t-test.",
            by_rate.at_best(runs, _cells, base=lambda name: "bn"),
        ),
        rates=("All learning rates.", by_rate.at_all(runs, _cells)),
    )
    groups = {
        name: {f"learning rate {rate:g}": outcomes for rate, outcomes in sorted(at_rates.items())}
        for name, at_rates in runs.items()
    }
    _draw(groups, config, out)


def _cells(name):
    """The cells of a table that name a normalization."""
    return {"normalization": _label(name)}


def _draw(groups, config, out, medians=None):
    """Draws accuracies, of outcomes by the name of a norm and what has a colour."""
    charts.write_boxes(
        out / "figure.png",
        {
            _tick(name): {
                series: list(map(accuracy, outcomes)) for series, outcomes in group.items()
            }
            for name, group in groups.items()
        },
        {f"ResNet-{config.depth}, batches of {config.batch_size}": (None, None)},
        "test accuracy, %",
        medians=medians,
        missing="diverged",
    )


def _caption(config):
    after = trained.length(config)
    return f"Accuracy on the test split after {after} in batches of {config.batch_size}"


def _tick(name):
    """A label in as many lines as words."""
    return _label(name).replace(" ", "\n")


def _label(name):
    if name in LABELS:
        return LABELS[name]
    division = name.removeprefix("gn_")
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
            "Which of the normalizations are run with each seed; the others are run with the first "
            "alone.",
            is_list=True,
        ),
        flags.RATES,
        flags.SEEDS,
    ),
    fields=("batch_size", "width", *trained.FIELDS),
    jobs=jobs,
    report=report,
    **trained.TRAINS,
)
