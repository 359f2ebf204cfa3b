"""What a normalization gains: each at several learning rates, batch sizes and seeds.

Ours, of no paper: a classifier that is small enough to be trained some hundred times, so that each
normalization is seen at its own best learning rate, and beside the spread over seeds.
"""

import dataclasses
import math
import statistics

from classify import presets
from classify.config import Config
from classify.experiments import by_rate, flags, trained
from harness.experiments.experiment import Experiment, Flag, Job
from harness.figures.lines import write_lines
from harness.norm_names import norm_text, parse_norm, whitenings
from harness.run.directory import History

# A ResNet-8 on 20,000 images of CIFAR-10, random ones by the seed, and a perceptron on MNIST.
TASKS = {
    "cifar10": Config(
        input_scaling="channel_std",
        augmentation="crop_flip",
        depth=8,
        train_size=20_000,
        batch_size=64,
        epochs=5.0,
        schedule="cosine",
        weight_decay=5e-4,
        log_every=100,
    ),
    "mnist": dataclasses.replace(
        presets.MLP, recovery="scale_shift", train_size=20_000, batch_size=256, epochs=10.0
    ),
}
NORMS = ("bn", "gn-8", "unitization", "itn-16", "itn-64", "zca-16", "cd-16")
RATES = {"cifar10": (0.03, 0.1, 0.3), "mnist": (0.1, 0.3, 1.0)}
SEEDS = 3
# Accuracies whose first epoch is told, in percent.
MARKS = {"cifar10": (50, 60, 70), "mnist": (95, 97)}


def jobs(request):
    """One for each seed, learning rate, batch size and norm: a whole table of each seed first."""
    task = request.task or "cifar10"
    base = request.override(TASKS[task])
    sizes = dict.fromkeys(map(int, request.batch_sizes or [base.batch_size]))
    rates = dict.fromkeys(map(float, request.rates or RATES[task]))
    seeds = SEEDS if request.seeds is None else request.seeds
    jobs = []
    for seed in range(base.seed, base.seed + seeds):
        for base_rate in rates:
            for size in sizes:
                # As Goyal et al., https://arxiv.org/abs/1706.02677: a step of n times the images
                # is one of n times the rate.
                rate = base_rate
                if size != base.batch_size:
                    rate = float(f"{base_rate * size / base.batch_size:.3g}")
                for name in dict.fromkeys(request.norms or NORMS):
                    config = dataclasses.replace(
                        request.override(_with_norm(base, name)),
                        seed=seed,
                        learning_rate=rate,
                        batch_size=size,
                    )
                    jobs.append(Job(f"{name}_batch_{size}_rate_{rate:g}_seed_{seed}", config))
    return jobs


def report(outcomes, out):
    """Each normalization at its best rate; at all rates; accuracy over epochs, and over sizes."""
    task = "mnist" if outcomes[0].job.config.model == "mlp" else "cifar10"
    kinds = {}
    for outcome in outcomes:
        config = outcome.job.config
        kind = (config.batch_size, norm_text(config.norm, config.group_size))
        kinds.setdefault(kind, {}).setdefault(config.learning_rate, []).append(outcome)
    # Of runs that were measured at their end alone no epoch can be told.
    over_epochs = any(len(_course(outcome)) > 1 for outcome in outcomes)
    marks = MARKS[task] if over_epochs else ()
    first = "; and the first epoch at whose end it has reached so much, in the median of the seeds"
    out.write(
        table=(
            "At the learning rate whose mean accuracy on the test split is best: that accuracy at "
            "the end, over seeds; how many points more than BatchNormalization's at its best rate, "
            f"with a 95 % interval by Welch's t-test{first if marks else ''}.",
            by_rate.at_best(
                kinds,
                _cells,
                base=lambda kind: (kind[0], "bn"),
                more=lambda outcomes: {
                    f"epochs to {mark} %": _epochs_to(outcomes, mark) for mark in marks
                },
            ),
        ),
        rates=("All learning rates.", by_rate.at_all(kinds, _cells)),
    )
    if over_epochs:
        _draw_over_epochs(kinds, out / "figure.png")
    if len({size for size, _ in kinds}) > 1:
        _draw_over_sizes(kinds, out / "figure_batches.png")


def _draw_over_epochs(kinds, path):
    panels, ranges = {}, {}
    for (size, name), runs in kinds.items():
        title = f"batches of {size}: mean over seeds at the best rate, and from least to greatest"
        rate = by_rate.best(runs)
        points = _errors(runs[rate])
        _add(panels, ranges, title, f"{name}, {rate:g}", points)
    write_lines(
        path,
        panels,
        "epoch",
        "test error, %",
        logarithmic=panels,
        whole_x=True,
        ranges=ranges,
    )


def _draw_over_sizes(kinds, path):
    title = "at the end: mean over seeds at the best rate, and from least to greatest"
    ends = {}
    for (size, name), runs in sorted(kinds.items(), key=lambda item: item[0][0]):
        errors = _errors(runs[by_rate.best(runs)])
        if errors:
            ends.setdefault(name, []).append((size, errors[-1][1]))
    panels, ranges = {}, {}
    for name in dict.fromkeys(name for _, name in kinds):
        _add(panels, ranges, title, name, ends.get(name, []))
    write_lines(
        path,
        panels,
        "images in a batch",
        "test error, %",
        logarithmic=panels,
        powers_of_2=True,
        ranges=ranges,
    )


def _add(panels, ranges, title, label, points):
    """Adds a line: points (x, values of the seeds)."""
    panels.setdefault(title, {})[label] = [(x, statistics.mean(ys)) for x, ys in points]
    ranges.setdefault(title, {})[label] = [(x, min(ys), max(ys)) for x, ys in points]


def _with_norm(config, name):
    """The configuration with a norm, whose epsilon is the papers'."""
    norm = parse_norm(name)
    if norm["norm"] in ("bn", *whitenings()):
        return presets.whitened(config, **norm)
    return dataclasses.replace(config, norm_momentum=0.9, **norm)


def _cells(kind):
    """The cells of a table that name a kind of runs."""
    size, name = kind
    return {"norm": name, "batch": size}


def _course(outcome):
    """Points (epoch, accuracy in percent) of a run, in order."""
    epochs, rows = outcome.job.config.epochs, History(outcome.directory).rows()
    rows = [row for row in rows if row["step"] and "test_accuracy" in row]
    return [(row["step"] * epochs / rows[-1]["step"], 100 * row["test_accuracy"]) for row in rows]


def _epochs_to(outcomes, mark):
    """The median over runs of the first epoch that reaches the mark; None: most do not."""
    firsts = sorted(
        next((epoch for epoch, value in _course(outcome) if value >= mark), math.inf)
        if outcome.state == "complete"
        else math.inf
        for outcome in outcomes
    )
    median = statistics.median_low(firsts)
    return median if median < math.inf else None


def _errors(outcomes):
    """Points (epoch, errors in percent of the runs that did not diverge), in order."""
    runs = [_course(outcome) for outcome in outcomes if outcome.state == "complete"]
    return [
        (points[0][0], [100 - accuracy for _, accuracy in points])
        for points in zip(*runs, strict=True)
    ]


EXPERIMENT = Experiment(
    name="gain",
    summary="normalizations by learning rate, batch size and seed: what each gains",
    flags=(
        flags.NORMS,
        Flag(
            "task",
            "What to train: cifar10, a small ResNet on a part of CIFAR-10; mnist, a perceptron on "
            "a part of MNIST.",
            choices=tuple(TASKS),
            default="cifar10",
        ),
        flags.RATES,
        flags.BATCH_SIZES,
        flags.SEEDS,
    ),
    # The learning rate is one of `rates`, and what is told is by epochs.
    fields=(
        "width",
        *(field for field in trained.FIELDS if field not in ("learning_rate", "steps")),
    ),
    jobs=jobs,
    report=report,
    has_scales=False,
    is_papers=lambda request: False,
    **trained.TRAINS,
)
