"""What a normalization and a recovery gain in a GAN: distances over seeds, and what they can tell.

Ours, of no paper: few settings of the optimizer, each with several seeds, so that a difference
stands beside what another seed makes.
"""

import dataclasses
import statistics

from gan import presets
from gan.experiments import flags, trained
from gan.experiments.flags import RECOVERIES
from gan.experiments.settings import SETTINGS, chosen_settings, setting_of
from harness.config import TIMES
from harness.errors import UserError
from harness.experiments.compared import mean_and_deviation, mean_ratio, shown
from harness.experiments.experiment import Experiment, Flag, Job, chosen
from harness.figures import charts
from harness.norm_names import norm_text, parse_norm

# Networks of 32 filters, that a core trains in minutes.
SIZE = {**trained.SMALL, "steps": 5_000, "eval_every": 1_000}
CIFAR10 = {"dataset": "cifar10", "image_size": 32, "eval_samples": 2_000}
TASKS = {
    "mnist": dataclasses.replace(presets.PRESETS["mnist_dcgan"], **SIZE),
    "cifar10": dataclasses.replace(presets.PRESETS["cifar10_dcgan"], **{**SIZE, **CIFAR10}),
}
NORMS = ("bn", "cd", "zca-16", "itn")
SETTINGS_HERE = ("1e-3:A", "1e-3:D")
SEEDS = 3
# What a row of a table is called that is of all of the others, and what is said of it.
_ALL = "all"
_OF_ALL = " The last row, of all, is the geometric mean of those of its table or norm."


def jobs(request):
    """One for each seed, setting, recovery and norm: a whole table of each seed first."""
    base = request.override(TASKS[request.task or "mnist"])
    seeds = SEEDS if request.seeds is None else request.seeds
    jobs = [
        Job(
            f"{name}_{recovery}_{setting.replace(':', '_')}_seed_{seed}",
            dataclasses.replace(
                base, seed=seed, recovery=recovery, **parse_norm(name), **SETTINGS[setting]
            ),
        )
        for seed in range(base.seed, base.seed + seeds)
        for setting in chosen_settings(request.settings or SETTINGS_HERE)
        for recovery in chosen("recoveries", request.recoveries, RECOVERIES)
        for name in dict.fromkeys(request.norms or NORMS)
        if flags.can_recover(name, recovery)
    ]
    if not jobs:
        raise UserError(
            "--norms and --recoveries leave no run: without a norm there is nothing to color. "
            f"Received: norms={','.join(request.norms)}, recoveries={','.join(request.recoveries)}"
        )
    return jobs


def report(outcomes, out):
    """Each method's distances over seeds; coloring beside scale and shift; each norm beside bn."""
    distance, score = trained.names(outcomes)
    cells, runs = {}, []
    for outcome in outcomes:
        config, result = outcome.job.config, trained.result(outcome)
        key = (setting_of(config), norm_text(config.norm, config.group_size), config.recovery)
        cells.setdefault(key, []).append(result.distance)
        runs.append(
            {
                "run": outcome.job.name,
                distance: result.distance,
                score: result.score,
                "state": outcome.state,
            }
        )
    out.write(
        table=(
            f"{distance} at the end, over seeds.{trained.warnings(outcomes)}",
            [_row(key, values) for key, values in cells.items()],
        ),
        coloring=(
            "How many times the distance with scale and shift that with coloring is: geometric "
            f"means over seeds and a 95 % interval by Welch's t-test of logarithms.{_OF_ALL}",
            _compared(
                {
                    (setting, norm): (cells.get((setting, norm, "coloring"), []), values)
                    for (setting, norm, recovery), values in cells.items()
                    if recovery == "scale_shift" and flags.can_recover(norm, "coloring")
                }
            ),
        ),
        norms=(
            "Likewise how many times BatchNormalization's distance that of another is, with the "
            f"same recovery.{_OF_ALL}",
            [
                row
                for name in dict.fromkeys(norm for _, norm, _ in cells if norm != "bn")
                for row in _compared(
                    {
                        (setting, f"{norm}, {RECOVERIES[recovery]}"): (
                            values,
                            cells.get((setting, "bn", recovery), []),
                        )
                        for (setting, norm, recovery), values in cells.items()
                        if norm == name
                    },
                    name,
                )
            ]
            or _compared({}),
        ),
        runs=("All runs.", runs),
    )
    boxes = {}
    for (setting, norm, recovery), values in cells.items():
        boxes.setdefault(f"{norm}\n{setting}", {})[RECOVERIES[recovery]] = values
    title = f"{distance}, {config.dataset}, {config.steps:,} steps, seeds: {len(values)}"
    charts.write_boxes(out / "figure.png", boxes, {title: (0, None)}, distance, missing="diverged")


def _row(key, values):
    setting, norm, recovery = key
    there = _there(values)
    return {
        "setting": setting,
        "norm": norm,
        "recovery": RECOVERIES[recovery],
        "mean": statistics.mean(there) if there else None,
        "mean ± deviation": mean_and_deviation(there),
        "least": min(there, default=None),
        "greatest": max(there, default=None),
        "runs": len(values),
        "diverged": len(values) - len(there),
    }


def _compared(pairs, name=_ALL):
    """A row for each pair of distances and of what they are compared with, and one of all of them.

    Args:
        pairs: dict of the pairs by setting and norm.
        name: of the norm in the row of all.
    """
    pairs = {key: tuple(map(_there, pair)) for key, pair in pairs.items()}
    rows = {key: [pair] for key, pair in pairs.items()}
    if len(pairs) != 1:
        rows[_ALL, name] = list(pairs.values())
    return [
        {"setting": setting, "norm": norm, "ratio (95 %)": text, "differs": tells}
        for (setting, norm), pairs in rows.items()
        for text, tells in [shown(mean_ratio(pairs), 1.0)]
    ]


def _there(values):
    return [value for value in values if value is not None]


EXPERIMENT = Experiment(
    name="gain",
    summary="normalizations and recoveries over seeds: what each gains, and what can be told",
    flags=(
        Flag(
            "task",
            "What images the GAN makes: of MNIST or of CIFAR-10.",
            choices=tuple(TASKS),
            default="mnist",
        ),
        flags.NORMS,
        flags.RECOVERIES_ASKED,
        flags.SETTINGS_ASKED,
        Flag(
            "seeds",
            "How many seeds each run is repeated with: --seed, and the numbers after it.",
            int,
            check=TIMES,
            default=str(SEEDS),
        ),
    ),
    fields=trained.FIELDS,
    jobs=jobs,
    report=report,
    has_scales=False,
    is_papers=lambda request: False,
    **trained.TRAINS,
)
