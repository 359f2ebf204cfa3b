"""How far estimates of the earth mover's distance are from distances that are known.

Of the estimators that measure covariate shift, after Huang and Yu, CVPR 2020, supplement, section
2, which has no such check. Nothing is trained but critics.
"""

import dataclasses
import math

import numpy as np

from harness import sealed
from harness.experiments.experiment import Experiment, Job
from harness.figures.lines import write_lines
from harness.tables import names_in

PRODUCT = "estimates.json"


def _mean_norm(dimension):
    """E ||z|| of z from N(0, I)."""
    return math.sqrt(2) * math.exp(math.lgamma((dimension + 1) / 2) - math.lgamma(dimension / 2))


def _copies(x, other, shift, distance):
    return x + distance * shift


def _shifted(x, other, shift, distance):
    return other + distance * shift


def _scaled(x, other, shift, distance):
    return other * (1 + distance / _mean_norm(x[0].size))


# From samples x and others of N(0, I), a unit vector and W, to samples at that distance from x.
CASES = {"shifted copies": _copies, "shifted": _shifted, "scaled": _scaled}
SHAPES = {"vectors of 2": (2,), "maps of 8 x 8 x 32": (8, 8, 32)}

# W over the root of the dimension, which is about a sample's norm.
DISTANCES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclasses.dataclass(frozen=True)
class Known:
    """Two Gaussians at several distances.

    Attributes:
        case, shape: keys of `CASES` and `SHAPES`.
        training, test: samples of each Gaussian.
        shift_estimators: keys of `em_distance.ESTIMATORS`, with commas.
        shift_steps: of a critic; the rate is the larger the fewer there are than its own.
        seed: of samples and estimators.
    """

    case: str
    shape: str
    training: int = 4000
    test: int = 1000
    shift_estimators: str | None = ",".join(names_in("tfnorm.analysis.em_distance", "ESTIMATORS"))
    shift_steps: int | None = 1500
    seed: int = 0

    def __post_init__(self):
        for name in ("shift_estimators", "shift_steps"):
            if getattr(self, name) is None:
                raise ValueError(f"`{name}` cannot be left out. Received: {name}=None")
        if self.seed < 0:
            raise ValueError(f"`seed` must not be negative. Received: seed={self.seed}")


SMALL_STEPS = 300


def jobs(request):
    """One for each shape and case."""
    small = {"shift_steps": SMALL_STEPS} if request.scale == "small" else {}
    config = request.override(Known("", "", **small))
    _estimators(config)  # fails here at one that there is not
    return [
        Job(
            f"{shape}_{case}".replace(" ", "_"),
            dataclasses.replace(config, case=case, shape=shape),
        )
        for shape in SHAPES
        for case in CASES
    ]


def carry_out(config, directory):
    """Estimates each distance with each estimator."""
    directory.begin(dataclasses.asdict(config))
    rng = np.random.default_rng(config.seed)
    shape = SHAPES[config.shape]
    shift = rng.standard_normal(shape)
    shift = (shift / np.linalg.norm(shift)).astype(np.float32)

    def samples():
        """x and others: of the training and of the test."""
        counts = config.training, config.test
        return [rng.standard_normal((count, *shape), np.float32) for count in counts]

    training, test = zip(samples(), samples(), strict=True)
    rows = []
    for share in DISTANCES:
        distance = share * math.sqrt(math.prod(shape))
        pairs = [
            (CASES[config.case](x, other, shift, distance), x) for x, other in (training, test)
        ]
        for name, estimator in _estimators(config).items():
            estimate = estimator(*pairs)
            print(f"W {distance:.4g}: {name} {estimate:.4g}", flush=True)
            rows.append({"distance": distance, "estimator": name, "estimate": estimate})
    sealed.write(directory / PRODUCT, {"rows": rows}, indent=1)


def _estimators(config):
    """The estimators by name; the fewer steps a critic has, the longer they are."""
    from classify.covariate_shift import make_estimators

    estimators = make_estimators(
        config.shift_estimators, steps=config.shift_steps, seed=config.seed
    )
    for name, estimator in estimators.items():
        if estimator.trains:
            usual = type(estimator)()
            rate = usual.learning_rate * usual.steps / estimator.steps
            estimators[name] = dataclasses.replace(estimator, learning_rate=rate)
    return estimators


def describe(outcome):
    """A complete run in a few words."""
    rows = outcome.read(PRODUCT, "rows")["rows"]
    last = [row for row in rows if row["distance"] == rows[-1]["distance"]]
    said = ", ".join(f"{row['estimator']} {row['estimate']:.3g}" for row in last)
    return f"of {rows[-1]['distance']:.3g}: {said}"


def report(outcomes, out):
    """A table of estimates and their relative errors, and a figure of both distances."""
    table, panels = [], {}
    for outcome in outcomes:
        config = outcome.job.config
        names = config.shift_estimators.split(",")
        estimates = {}
        for row in outcome.read(PRODUCT, "rows")["rows"]:
            estimates.setdefault(row["distance"], {})[row["estimator"]] = row["estimate"]
        run_rows = [
            {"samples": config.shape, "case": config.case, "W": distance}
            | {key: value for name in names for key, value in _cells(values, name, distance)}
            for distance, values in estimates.items()
        ]
        table += run_rows
        title = f"{config.shape}, {config.case}"
        panels[title] = {
            name: [(w, values[name]) for w, values in estimates.items() if w] for name in names
        } | {"W": [(w, w) for w in estimates if w]}
    config = outcomes[0].job.config
    caption = (
        f"Estimates of the distance W of Gaussians N(0, I) and N(W v, I), v a unit vector, or "
        f"N(0, s^2 I), s - 1 being W over the mean norm of a sample: {config.test:,} samples of "
        f"each, of shifted copies the same, and {config.training:,} to train critics for "
        f"{config.shift_steps:,} steps; the exact distance is of 500. Errors are relative; the "
        "clipped critic has a scale of its own, and none. In the figure an estimate below zero "
        "stands at its size, hollow, and W = 0 is left out."
    )
    out.write(table=(caption, table))
    write_lines(
        out / "figure.png",
        panels,
        "W",
        "estimate (hollow: below zero)",
        logarithmic=list(panels),
        logarithmic_x=True,
    )


def _cells(estimates, name, distance):
    yield name, estimates[name]
    if name != "clipped":
        yield (
            f"{name}, error %",
            100 * (estimates[name] / distance - 1) if distance else None,
        )


EXPERIMENT = Experiment(
    name="known_distances",
    summary="how far the estimates of covariate_shift are from distances that are known",
    fields=("shift_estimators", "shift_steps", "seed"),
    jobs=jobs,
    networks=lambda config: [],
    carry_out=carry_out,
    product=PRODUCT,
    describe=describe,
    report=report,
    is_papers=lambda request: False,
)
