"""Estimates of known distances, in small."""

import csv
import json

import numpy as np
import pytest

from classify.experiments import known_distances
from harness import sealed
from harness.errors import UserError
from harness.experiments.experiment import Outcome
from harness.experiments.report import Report
from harness.run.directory import RunDirectory
from tfnorm.analysis.critic_distance import ClippedCritic, PenalizedCritic

SMALL = {"training": 12, "test": 40}


def options(**fields):
    return known_distances.EXPERIMENT.request(overrides=SMALL | fields)


@pytest.mark.parametrize("dimension", [1, 2, 50])
def test_mean_norm(dimension):
    norms = np.linalg.norm(np.random.default_rng(0).standard_normal((20_000, dimension)), axis=1)
    np.testing.assert_allclose(known_distances._mean_norm(dimension), norms.mean(), rtol=0.02)


def test_runs():
    found = known_distances.jobs(known_distances.EXPERIMENT.request(scale="small"))
    assert [job.name for job in found][:2] == [
        "vectors_of_2_shifted_copies",
        "vectors_of_2_shifted",
    ]
    assert len(found) == 6
    assert {job.config.shift_estimators for job in found} == {"clipped,penalized,sliced,exact"}
    estimators = known_distances._estimators(found[0].config)
    assert estimators["clipped"] == ClippedCritic(steps=300, learning_rate=5 * 5e-5)
    assert estimators["penalized"] == PenalizedCritic(steps=300, learning_rate=5 * 1e-4)
    with pytest.raises(UserError, match="Received: clip"):
        known_distances.jobs(options(shift_estimators="clip"))
    for name, value in (("shift_estimators", None), ("shift_steps", None), ("seed", -1)):
        with pytest.raises(ValueError, match=f"Received: {name}={value}"):
            known_distances.jobs(options(**{name: value}))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("known"), []
    for job in known_distances.jobs(
        options(shift_estimators="sliced,exact,clipped", shift_steps=1)
    ):
        directory = RunDirectory(folder / job.name)
        known_distances.carry_out(job.config, directory)
        found.append(Outcome(job, "complete", directory))
    return found


def test_estimates(outcomes):
    """Sliced and exact distances of copies, and of a line's width, need no more than samples."""
    for outcome in outcomes:
        rows = sealed.read(outcome.directory / "estimates.json")["rows"]
        dimension = 2 if "vectors" in outcome.job.name else 2048
        shares = sorted({row["distance"] / np.sqrt(dimension) for row in rows})
        np.testing.assert_allclose(shares, known_distances.DISTANCES)
        assert len(rows) == 3 * len(shares)
        for row in rows:
            w, estimate = row["distance"], row["estimate"]
            if "copies" in outcome.job.name and row["estimator"] == "exact":
                np.testing.assert_allclose(estimate, w, rtol=1e-4)
            if "copies" in outcome.job.name and row["estimator"] == "sliced":
                np.testing.assert_allclose(estimate, w, rtol=0.06)
            if "maps" in outcome.job.name and row["estimator"] == "sliced" and w > 40:
                np.testing.assert_allclose(estimate, w, rtol=0.15)


def test_the_figure_has_estimates_below_zero_too(outcomes, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        known_distances, "write_lines", lambda _, panels, *a, **k: drawn.update(panels)
    )
    path = outcomes[0].directory / known_distances.PRODUCT
    whole = path.read_text()
    rows = [row | {"estimate": -0.5} for row in json.loads(whole)["rows"]]
    try:
        sealed.write(path, {"rows": rows})
        known_distances.report(outcomes[:1], Report(tmp_path, "known_distances", []))
    finally:
        path.write_text(whole)
    (lines,) = drawn.values()
    assert [y for _, y in lines["sliced"]] == 5 * [-0.5]  # of six distances one is 0
    assert [x for x, _ in lines["sliced"]] == [y for _, y in lines["W"]]


def test_report(outcomes, tmp_path):
    known_distances.report(outcomes, Report(tmp_path, "known_distances", []))
    with open(tmp_path / "table.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    row = rows[5]
    assert (row["samples"], row["case"]) == ("vectors of 2", "shifted copies")
    expected = 100 * (float(row["sliced"]) / float(row["W"]) - 1)
    assert float(row["sliced, error %"]) == pytest.approx(expected)
    assert rows[0]["sliced, error %"] == "" and "clipped, error %" not in row
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert "exact" in known_distances.describe(outcomes[0])
