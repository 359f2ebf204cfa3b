"""What became of the covariate shift in the course of a run: as numbers, tables and figures."""

import json

from harness.errors import UserError
from harness.figures.lines import write_lines
from harness.run.directory import History, RunDirectory


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
    data = json.loads((RunDirectory(source) / "data.json").read_text())
    epoch = int(data["train_images"]) / config.batch_size
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


def read(outcome, product):
    """The course of a complete run; of one that has diverged, None."""
    if outcome.state != "complete":
        return None
    course = json.loads((outcome.directory / product).read_text())
    if not course["rows"]:
        raise UserError(f"The run {outcome.run.name} was shorter than a period of measuring.")
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


def _draw(out, dataset, courses):
    courses = {_label(name, dataset): course for name, course in courses.items()}
    panels = {
        "Test accuracy, %": {
            label: [(row["epoch"], 100 * row["test_accuracy"]) for row in course["rows"]]
            for label, course in courses.items()
        }
    }
    for estimator in dict.fromkeys(e for course in courses.values() for e in course["estimators"]):
        panels[f"Distance in an epoch, {estimator} (hollow: below zero, at its size)"] = {
            label: [(row["epoch"], row[key]) for row in course["rows"]]
            for name, course in courses.items()
            if estimator in course["estimators"]
            for label, key in (
                (name, f"shift_{estimator}"),
                (f"{name}: null", f"shift_{estimator}_null"),
            )
        }
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
        dashed={f"{name}: null": name for name in courses},
    )


def _label(name, dataset):
    """What a run is called in a figure of its dataset."""
    return name.removeprefix(f"{dataset}_").replace("_", " ")
