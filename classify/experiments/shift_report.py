"""What became of the covariate shift in the course of a run: as numbers, tables and figures."""

import statistics

from harness.errors import UserError
from harness.figures.lines import write_lines
from harness.run.directory import History, RunDirectory
from harness.run.identity import kept

# What is between the name of a kind of run and its seed, where there are several.
SEED = "_seed_"


def course_of(config, directory, source):
    """What there is to tell of a run, to be written as JSON.

    Args:
        config: the `Config` of the run.
        directory: a `RunDirectory` whose history has the distances.
        source: the directory of the run itself, which knows its images.

    Returns:
        dict of `dataset`; `estimators`; `period`, epochs between two states that are compared;
        `falls`, the epochs at which the rate falls, or would of the schedule steps; `rate_falls`,
        whether it does; and `rows`, dicts of `epoch`, `step`, `test_accuracy` and the distances,
        one for each period.
    """
    epoch = _training_images(source) / config.batch_size
    steps = config.steps or max(1, round(config.epochs * epoch))
    estimators = config.shift_estimators.split(",")
    rows = [
        {"epoch": row["step"] / epoch}
        | {k: v for k, v in row.items() if k in ("step", "test_accuracy") or k.startswith("shift_")}
        for row in History(directory).rows()
        if f"shift_{estimators[0]}" in row
    ]
    return {
        "dataset": config.dataset,
        "estimators": estimators,
        "period": (config.shift_every or max(1, round(epoch))) / epoch,
        "falls": [float(share) * steps / epoch for share in config.decay_shares],
        "rate_falls": config.schedule == "steps",
        "rows": rows,
    }


def _training_images(source):
    known = kept(RunDirectory(source)) or {}
    if not str(known.get("train_images")).isdecimal():
        raise UserError(
            f"{source}/data.json must tell how many training images there are: it is damaged, or "
            "not there. The command that trained the run writes it again."
        )
    return int(known["train_images"])


def read(outcome, product):
    """The course of a complete run; of one that has diverged, None."""
    if outcome.state != "complete":
        return None
    course = outcome.read(product, "dataset", "estimators", "period", "falls", "rows")
    if not course["rows"]:
        raise UserError(
            f"The run {outcome.job.name} ended before anything was measured: train it longer, or "
            "with a smaller --shift_every."
        )
    return course


def write(courses, out):
    """Writes tables, and a figure for each dataset.

    Args:
        courses: dict from a run's name to its `course_of`, or None if it has diverged.
        out: a `report.Report`.
    """
    there = {name: course for name, course in courses.items() if course is not None}
    tables = {}
    if there:
        tables["epochs"] = ("Accuracy and mean distance over layers, each epoch.", _epochs(there))
    falls = [row for name, course in there.items() for row in _falls(name, course)]
    if falls:
        caption = (
            "The mean distance over layers in the last epoch before the learning rate falls and in "
            "the first after it, both without the step at which it falls; of a run whose rate does "
            "not, in the same epochs."
        )
        tables = {"table": (caption, falls)} | tables
        if any(SEED in name for name in there):
            caption = "The same, in the median over seeds, from the least to the greatest."
            tables = {"seeds": (caption, _over_seeds(falls))} | tables
    diverged = [name for name, course in courses.items() if course is None]
    if diverged:
        tables["diverged"] = ("Runs that have diverged.", [{"run": name} for name in diverged])
    out.write(**tables)
    for dataset in dict.fromkeys(course["dataset"] for course in there.values()):
        _draw(
            out, dataset, {n: course for n, course in there.items() if course["dataset"] == dataset}
        )


def _epochs(courses):
    names = dict.fromkeys(
        key
        for course in courses.values()
        for key in course["rows"][0]
        if key.startswith("shift_") and "/" not in key
    )
    return [
        {
            "run": name,
            "epoch": row["epoch"],
            "accuracy, %": 100 * row["test_accuracy"],
        }
        | {key.removeprefix("shift_").replace("_", " "): row.get(key) for key in names}
        for name, course in courses.items()
        for row in course["rows"]
    ]


def _falls(name, course):
    """A row for each estimator and fall of the rate that has an epoch before and one after."""
    for place in course["falls"]:
        earlier = [row for row in course["rows"] if row["epoch"] <= place]
        later = [row for row in course["rows"] if row["epoch"] - course["period"] >= place]
        if not earlier or not later:
            continue
        before, after = earlier[-1], later[0]
        for estimator in course["estimators"]:
            first, second = before[f"shift_{estimator}"], after[f"shift_{estimator}"]
            yield {
                "run": name,
                "estimator": estimator,
                "epoch": place,
                "rate falls": "yes" if course["rate_falls"] else "no",
                "before": first,
                "after": second,
                "after / before": second / first if first else None,
                "null after": after[f"shift_{estimator}_null"],
            }


def _over_seeds(falls):
    """A row for each kind of run, estimator and fall."""
    kinds = {}
    for row in falls:
        kind = (_kind(row["run"]), row["estimator"], row["epoch"], row["rate falls"])
        kinds.setdefault(kind, []).append(row)
    names = "before", "after", "after / before", "null after"
    return [
        dict(zip(("run", "estimator", "epoch", "rate falls"), kind, strict=True))
        | {
            key: value
            for name in names
            for key, value in _spread(name, [row[name] for row in rows if row[name] is not None])
        }
        | {"runs": len(rows)}
        for kind, rows in kinds.items()
    ]


def _spread(name, values):
    yield name, statistics.median(values) if values else None
    yield f"least {name}", min(values, default=None)
    yield f"greatest {name}", max(values, default=None)


def _kind(name):
    return name.split(SEED)[0]


def _draw(out, dataset, courses):
    kinds = {}
    for name, course in courses.items():
        kinds.setdefault(_label(_kind(name), dataset), []).append(course)
    most = max(map(len, kinds.values()))
    said = f", median and range of {most} seeds" if most > 1 else ""
    title = f"Test accuracy, %{said}"
    panels, ranges = {title: {}}, {title: {}}
    for label, runs in kinds.items():
        panels[title][label], ranges[title][label] = _over_epochs(runs, "test_accuracy", 100)
    for estimator in dict.fromkeys(e for course in courses.values() for e in course["estimators"]):
        title = f"Distance in an epoch, {estimator}"
        panels[title], ranges[title] = {}, {}
        for label, runs in kinds.items():
            runs = [run for run in runs if estimator in run["estimators"]]
            if runs:
                key = f"shift_{estimator}"
                panels[title][label], ranges[title][label] = _over_epochs(runs, key)
                panels[title][_null(label)], _ = _over_epochs(runs, f"{key}_null")
    if any(y < 0 for lines in panels.values() for points in lines.values() for _, y in points):
        hollow = " (hollow: below zero, at its size)"
        panels = {_with(title, hollow): lines for title, lines in panels.items()}
        ranges = {_with(title, hollow): lines for title, lines in ranges.items()}
    marks = sorted(
        {place for course in courses.values() for place in course["falls"] if course["rate_falls"]}
    )
    write_lines(
        out / f"{dataset}.png",
        panels,
        "epoch",
        logarithmic=[title for title in panels if title.startswith("Distance")],
        whole_x=True,
        marks=marks,
        dashed={_null(label): label for label in kinds},
        ranges=ranges if most > 1 else None,
    )


def _over_epochs(runs, key, factor=1):
    """Points (epoch, median over runs), and (epoch, least, greatest)."""
    values = {}
    for run in runs:
        for row in run["rows"]:
            values.setdefault(row["epoch"], []).append(factor * row[key])
    points = [(epoch, statistics.median(there)) for epoch, there in values.items()]
    return points, [(epoch, min(there), max(there)) for epoch, there in values.items()]


def _null(label):
    return f"{label}: null"


def _with(title, more):
    return title + more if title.startswith("Distance") else title


def _label(name, dataset):
    """What a run is called in a figure of its dataset."""
    return name.removeprefix(f"{dataset}_").replace("_", " ")
