"""The experiment with the disturbance, at a size of which the numbers mean nothing."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from classify.experiments import disturbance, disturbed_methods, measured_methods
from harness.errors import UserError
from harness.experiments.experiment import Outcome
from harness.experiments.report import Report
from harness.run.directory import RunDirectory
from tfnorm.analysis.conditioning import conditioning
from tfnorm.analysis.stochasticity import method_disturbance, normalization

FEW = {"samples": 3, "batches": 4}
# At 16 channels a mini-batch of 12 is singular.
TINY = {"dimension": 6, "batch_size": 12, "count": 40, "epsilon": 0.01, **FEW}
VALUES = {"dimension": "2,16", "batch_size": "4,32", "group_size": "2,6", "iterations": "1,4"}


def configs(**options):
    request = disturbance.EXPERIMENT.request(**options)
    return {job.name: job.config for job in disturbance.jobs(request)}


def test_the_runs_are_the_papers_sweeps():
    found = configs()
    fields = ("values", "dimension", "batch_size", "group_size", "iterations")
    doubling = "2,4,8,16,32,64,128,256,512"
    assert {name: [getattr(each, field) for field in fields] for name, each in found.items()} == {
        "dimension": [doubling, None, 1024, None, 5],
        "batch_size": ["128,256,512,1024,2048,4096", 128, None, None, 5],
        "group_size": [doubling, 512, 1024, None, 5],
        "iterations": ["1,2,3,4,5,6,7,8,9,10", 128, 1024, None, None],
    }
    for config in found.values():
        assert (config.count, config.samples, config.batches) == (60_000, 20, 200)
        assert (config.norms, config.normalizer) == ("bn,itn,zca,cd,pca", None)


def test_the_small_scale_has_fewer_mini_batches():
    for name, config in configs(scale="small").items():
        assert (config.count, config.samples, config.batches) == (60_000, 10, 40)
        assert config.points().keys() <= configs()[name].points().keys()


def test_the_flags_choose():
    given = {"iterations": 7, "group_size": 16, "normalizer": "sqrt"}
    found = configs(sweeps=["iterations", "dimension"], norms=["pca", "bn"], overrides=given)
    assert list(found) == ["dimension", "iterations"]
    for config in found.values():
        assert (config.norms, config.group_size, config.normalizer) == ("pca,bn", 16, "sqrt")
    assert [point["iterations"] for point in found["dimension"].points().values()] == [7] * 9
    assert list(found["iterations"].points()) == list(range(1, 11))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sweeps": ["width"]}, "--sweeps must be of .* Received: sweeps=width"),
        (
            {"norms": ["bn", "ln"]},
            "--norms must be of bn, itn, zca, cd, pca, with commas. Received: norms=bn,ln",
        ),
        ({"sweeps": ["layers"]}, "layers measures the network of a run"),
        ({"sweeps": ["dimension"], "run_dir": "there"}, "--run_dir is for the sweep layers alone"),
        ({"sweeps": ["layers"], "run_dir": "there", "norms": ["bn"]}, "Received: norms=bn"),
    ],
)
def test_what_there_is_not_is_refused(options, said):
    with pytest.raises(UserError, match=said):
        configs(**options)


@pytest.mark.parametrize(
    "fields",
    [{"batches": 1}, {"samples": 60_001}, {"group_size": 0}, {"iterations": 0}, {"epsilon": -1.0}],
)
def test_a_number_that_cannot_be_is_refused(fields):
    ((name, value),) = fields.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        configs(overrides=fields)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """All sweeps at the tiny size, done."""
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for over, values in VALUES.items():
        overrides = TINY | {"values": values}
        request = disturbance.EXPERIMENT.request(sweeps=[over], overrides=overrides)
        (job,) = disturbance.jobs(request)
        directory = RunDirectory(folder / job.name)
        disturbance.carry_out(job.config, directory)
        found[job.name] = Outcome(job, "complete", directory)
    return found


def rows(outcome):
    text = (outcome.directory / disturbance.PRODUCT).read_text()
    return json.loads(text, parse_constant=pytest.fail)["rows"]


@pytest.mark.parametrize("over", VALUES)
def test_the_numbers_are_the_librarys(outcomes, over):
    found = rows(outcomes[over])
    values = [int(value) for value in VALUES[over].split(",")]
    expected = [(value, norm) for value in values for norm in disturbed_methods.methods()]
    assert [(row["value"], row["norm"]) for row in found] == expected
    for row in found:
        sizes = {name: TINY[name] for name in ("dimension", "batch_size")}
        sizes |= {"group_size": None, "iterations": 5, over: row["value"]}
        rng = np.random.default_rng(0)
        data = rng.standard_normal((40, sizes.pop("dimension")), np.float32)
        size = sizes.pop("batch_size")
        options = sizes | {"epsilon": 0.01}
        assert row["disturbance"] == method_disturbance(row["norm"], data, size, **options, **FEW)
        output = normalization(row["norm"], **options)(data[:size])
        groups = conditioning(output, None if row["norm"] == "bn" else sizes["group_size"])
        worst = max(group.condition_number for group in groups)
        assert row["condition_number"] == (worst if np.isfinite(worst) else None)
        assert row["deviation"] == max(group.deviation for group in groups)
        (whole,) = conditioning(output)
        assert row["overall"] == (
            whole.condition_number if np.isfinite(whole.condition_number) else None
        )


def test_a_singular_covariance_has_no_condition_number(outcomes):
    singular = [row["value"] for row in rows(outcomes["dimension"]) if not row["condition_number"]]
    assert singular == [16] * 5


def test_an_output_that_is_not_finite_is_no_number():
    assert set(measured_methods.whiteness(np.full((4, 2), np.nan), 2).values()) == {None}
    assert measured_methods.finite(np.inf) is None


def test_a_sweep_is_known_again_and_another_refused(outcomes):
    job, _, directory = outcomes["dimension"]
    directory.check(dataclasses.asdict(job.config), disturbance.FREE)
    for fields in ({"batches": 5}, {"values": "2,4"}, {"norms": "bn"}):
        other = dataclasses.replace(job.config, **fields)
        with pytest.raises(UserError, match=f"another configuration.*{next(iter(fields))}"):
            directory.check(dataclasses.asdict(other), disturbance.FREE)


def test_a_complete_sweep_in_a_few_words(outcomes):
    assert disturbance.describe(outcomes["group_size"]) == "2 values, bn, itn, zca, cd, pca"


def test_the_report_has_a_table_for_each_panel(outcomes, tmp_path):
    disturbance.report(list(outcomes.values()), Report(tmp_path, "disturbance", []))
    text = (tmp_path / "table.md").read_text()
    assert "not confirmed" in text and "| channels | BN | ItN | ZCA | CD | PCA |" in text
    names = {path.stem for path in tmp_path.glob("*.csv")}
    measures = ("", "_condition_number", "_deviation")
    assert names == {f"{over}{measure}" for over in VALUES for measure in measures} | {
        "group_size_overall"
    }
    for over, outcome in outcomes.items():
        assert tf.io.decode_png((tmp_path / f"{over}.png").read_bytes()).shape[0] >= 900
        with open(tmp_path / f"{over}.csv", newline="") as file:
            _, *lines = csv.reader(file)
        expected = {}
        for row in rows(outcome):
            expected.setdefault(str(row["value"]), []).append(str(row["disturbance"]))
        assert {value: numbers for value, *numbers in lines} == expected
    with open(tmp_path / "dimension_condition_number.csv", newline="") as file:
        assert list(csv.reader(file))[-1] == ["16", "", "", "", "", ""]
