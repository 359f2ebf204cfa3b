"""Figure 1's experiment: while a run is trained, from what it has kept, and what is reported."""

import csv
import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from classify import presets
from classify.experiments import covariate_shift, shift_report
from harness import sealed
from harness.errors import UserError
from harness.experiments.experiment import Job, Outcome
from harness.experiments.report import Report
from harness.run.directory import RunDirectory

# An epoch is 10 steps.
CONFIG = dataclasses.replace(
    presets.PRESETS["quickstart"],
    width=8,
    depth=2,
    group_size=4,
    train_size=320,
    batch_size=32,
    epochs=3.0,
    decay_at="1/3,0.6",
    checkpoint_every=5,
    keep_checkpoints=None,
    shift_estimators="sliced,clipped",
    shift_layers="norm_2",
    shift_samples=100,
    shift_steps=2,
)


def test_runs():
    paper = jobs()
    assert [job.name for job in paper] == ["cifar10_unitization", "cifar100_unitization"]
    for job, dataset in zip(paper, ("cifar10", "cifar100"), strict=True):
        preset = presets.PRESETS[f"{dataset}_resnet110_unitization"]
        assert job.config == dataclasses.replace(preset, shift_estimators="clipped")
    small = jobs(scale="small", datasets=["cifar10"], norms=["bn"])
    assert [job.name for job in small] == ["cifar10_bn", "cifar10_bn_constant_rate"]
    assert [job.config.schedule for job in small] == ["steps", "constant"]
    assert [job.config.dataset for job in jobs()] == ["cifar10", "cifar100"]
    (fashion,) = jobs(datasets=["fashion_mnist"])
    assert (fashion.name, fashion.config.dataset) == ("fashion_mnist_unitization", "fashion_mnist")
    seeds = jobs(scale="small", datasets=["cifar10"], seeds=2, overrides={"seed": 3})
    assert [job.name for job in seeds] == [
        "cifar10_unitization_seed_3",
        "cifar10_unitization_constant_rate_seed_3",
        "cifar10_unitization_seed_4",
        "cifar10_unitization_constant_rate_seed_4",
    ]
    assert [job.config.seed for job in seeds] == [3, 3, 4, 4]
    # As far as the paper's critic: its steps times its rate.
    assert small[0].config.shift_steps * small[0].config.shift_rate == 1500 * 5e-5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The outcome of a run that was measured as it was trained."""
    directory = RunDirectory(tmp_path_factory.mktemp("runs") / "trained")
    covariate_shift.carry_out(CONFIG, directory)
    return Outcome(Job("digits", CONFIG), "complete", directory)


def jobs(**options):
    return covariate_shift.jobs(covariate_shift.EXPERIMENT.request(**options))


def options(run_dir, **fields):
    return {"run_dir": str(run_dir), "overrides": fields}


def course(directory):
    return json.loads((directory / covariate_shift.PRODUCT).read_text())


def test_trained(trained):
    found = course(trained.directory)
    assert found["falls"] == pytest.approx([1.0, 1.8])
    assert (found["dataset"], found["period"], found["rate_falls"]) == ("digits", 1.0, True)
    assert [row["epoch"] for row in found["rows"]] == [1.0, 2.0, 3.0]
    history = (trained.directory / "metrics.jsonl").read_text().splitlines()
    last = json.loads(history[-1])
    assert found["rows"][-1] == {"epoch": 3.0} | {
        k: v for k, v in last.items() if k in found["rows"][-1]
    }
    assert {"shift_sliced", "shift_clipped_null/norm_2", "test_accuracy"} <= found["rows"][
        -1
    ].keys()
    said = covariate_shift.describe(trained)
    assert f"{last['test_accuracy']:.2%}" in said and f"{last['shift_sliced']:.3g}" in said


def test_checkpoints_give_what_training_gave(trained, tmp_path):
    (job,) = jobs(**options(trained.directory.path))
    directory = RunDirectory(tmp_path / "checkpoints")
    covariate_shift.carry_out(job.config, directory)
    expected, found = course(trained.directory), course(directory)
    rows, expected_rows = found.pop("rows"), expected.pop("rows")
    assert found == expected
    for row, expected_row in zip(rows, expected_rows, strict=True):
        assert row.keys() == expected_row.keys()
        for name, value in expected_row.items():
            np.testing.assert_allclose(row[name], value, rtol=1e-4, err_msg=name)
    # What is there is not measured again; the rest is, from the state before it, though the last
    # line was cut off.
    history = directory / "metrics.jsonl"
    lines = history.read_text().splitlines()
    changed = lines[0].replace('"step": 10, ', '"step": 10, "kept": 1, ')
    history.write_text(f"{changed}\n{lines[1]}\n{lines[2][:30]}")
    covariate_shift.carry_out(job.config, directory)
    assert history.read_text().splitlines()[:2] == [changed, lines[1]]
    again = course(directory)["rows"]
    assert [row["epoch"] for row in again] == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(again[2]["shift_sliced"], rows[2]["shift_sliced"], rtol=1e-4)


def test_other_estimators(trained):
    (job,) = jobs(**options(trained.directory.path, shift_estimators="exact"))
    assert (job.name, job.config.shift_estimators) == ("checkpoints", "exact")
    assert job.config.shift_layers == "norm_2"


def test_mistakes(trained, tmp_path):
    folder = trained.directory.path
    with pytest.raises(UserError, match="as it was trained, .*: leave .* out") as refused:
        jobs(**options(folder, depth=3, epochs=1.0, seed=1))
    named = re.findall(r"--\w+", str(refused.value))
    assert sorted(named) == ["--depth", "--epochs", "--run_dir", "--seed"]
    with pytest.raises(UserError, match="Received: none"):
        jobs(overrides={"shift_estimators": None})
    with pytest.raises(UserError, match="--norms chooses which runs to train"):
        jobs(**options(folder), norms=["bn"])
    with pytest.raises(UserError, match="There is no run in"):
        jobs(**options(tmp_path))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (job,) = jobs(**options(copy, shift_every=7))
    message = "steps 5, 10, 15, 20, 25, 30: none is a period of 7 steps .*--checkpoint_every=7"
    with pytest.raises(UserError, match=message):
        covariate_shift.carry_out(job.config, RunDirectory(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
    (job,) = jobs(**options(copy))
    (copy / "checkpoints" / "ckpt-10.index").write_bytes(b"damaged")
    with pytest.raises(
        UserError, match="ckpt-10 is not whole: ckpt-10.index is not what was written"
    ):
        covariate_shift.carry_out(job.config, RunDirectory(tmp_path / "damaged"))
    assert not (tmp_path / "damaged" / "shift.json").exists()
    data = sealed.read(copy / "data.json")
    sealed.write(copy / "data.json", data | {"train_labels_crc32": 7})
    with pytest.raises(UserError, match="a run on other images .train_labels_crc32: 7 then"):
        covariate_shift.carry_out(job.config, RunDirectory(tmp_path / "other"))
    sealed.write(copy / "data.json", data)
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(UserError, match="no checkpoints in"):
        covariate_shift.carry_out(job.config, RunDirectory(tmp_path / "none"))
    with open(copy / "metrics.jsonl", "a") as file:
        file.write("{}")
    (other,) = jobs(**options(copy))
    assert other.config.run != job.config.run  # of another run, which is told from it
    shutil.rmtree(copy / "model")
    with pytest.raises(UserError, match="is not complete"):
        jobs(**options(copy))


def made_up(falling, rate_falls=True):
    """Six epochs of 10 steps; the rate falls within the third and at the end of the fourth."""
    rows = [
        {
            "epoch": float(epoch),
            "step": 10 * epoch,
            "test_accuracy": 0.1 * epoch,
            "shift_sliced": float(value),
            "shift_sliced_null": 0.5,
            "shift_sliced/norm_1": 9.0,
        }
        for epoch, value in enumerate(falling, 1)
    ]
    return {
        "dataset": "digits",
        "estimators": ["sliced"],
        "period": 1.0,
        "falls": [2.5, 4.0, 5.5],
        "rate_falls": rate_falls,
        "rows": rows,
    }


def test_report(tmp_path):
    courses = {
        "falls": made_up([60, 50, 40, 30, 6, 5]),
        "constant": made_up([60, 50, 40, 30, 20, 10], False),
        "worse": None,
    }
    shift_report.write({"worse": None}, Report(tmp_path / "none", "covariate_shift", []))
    assert "worse" in (tmp_path / "none" / "table.md").read_text()
    shift_report.write(courses, Report(tmp_path, "covariate_shift", ["command: none"]))
    with open(tmp_path / "table.csv") as file:
        rows = list(csv.DictReader(file))
    # The third epoch has both rates, and of the last there is none after.
    assert [(row["run"], float(row["epoch"])) for row in rows] == [
        ("falls", 2.5),
        ("falls", 4.0),
        ("constant", 2.5),
        ("constant", 4.0),
    ]
    keys = "before", "after", "after / before", "null after"
    numbers = [[float(row[key]) for key in keys] for row in rows]
    np.testing.assert_allclose(
        numbers, [[50, 30, 0.6, 0.5], [30, 6, 0.2, 0.5], [50, 30, 0.6, 0.5], [30, 20, 2 / 3, 0.5]]
    )
    assert [row["rate falls"] for row in rows] == ["yes", "yes", "no", "no"]
    with open(tmp_path / "epochs.csv") as file:
        epochs = list(csv.DictReader(file))
    assert len(epochs) == 12
    assert set(epochs[0]) == {"run", "epoch", "accuracy, %", "sliced", "sliced null"}
    assert "worse" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "digits.png").stat().st_size > 10_000


def test_in_the_figure_a_run_has_one_colour_and_its_null_is_dashed(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        shift_report, "write_lines", lambda *given, **set: drawn.append((given, set))
    )
    courses = {"falls": made_up([60, 50]), "constant": made_up([60, 20], False)}
    courses["falls"]["rows"][0]["shift_sliced_null"] = -0.25
    shift_report.write(courses, Report(tmp_path, "covariate_shift", []))
    (((path, panels, x_label), set),) = drawn
    assert (path.name, x_label, set["whole_x"]) == ("digits.png", "epoch", True)
    assert set["dashed"] == {"falls: null": "falls", "constant: null": "constant"}
    accuracy, distances = panels.values()
    assert list(accuracy) == ["falls", "constant"]
    assert list(distances) == ["falls", "falls: null", "constant", "constant: null"]
    assert distances["falls: null"] == [(1.0, -0.25), (2.0, 0.5)]


def test_of_several_seeds_a_line_is_the_median_and_their_range_is_shaded(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        shift_report, "write_lines", lambda *given, **set: drawn.append((given, set))
    )
    courses = {
        f"falls_seed_{seed}": made_up([60, 50, 40, 30, after, 5])
        for seed, after in enumerate((6, 12, 3))
    }
    shift_report.write(courses | {"falls_seed_3": None}, Report(tmp_path, "covariate_shift", []))
    ((_, panels, _), set), *_ = drawn
    accuracy, distance = panels
    assert accuracy == "Test accuracy, %, median and range of 3 seeds"
    assert list(panels[distance]) == ["falls", "falls: null"]
    assert panels[distance]["falls"][4] == (5.0, 6.0)
    assert set["ranges"][distance]["falls"][4] == (5.0, 3.0, 12.0)
    with open(tmp_path / "seeds.csv") as file:
        *_, row = csv.DictReader(file)
    assert (row["run"], row["epoch"], row["runs"]) == ("falls", "4.0", "3")
    ratios = [float(row[key]) for key in ("after / before", "least after / before")]
    np.testing.assert_allclose(ratios, [6 / 30, 3 / 30])
    assert float(row["greatest after / before"]) == pytest.approx(12 / 30)


def test_reported_through_the_outcomes(trained, tmp_path):
    other = Outcome(Job("other", CONFIG), "diverged", RunDirectory(tmp_path / "other"))
    covariate_shift.report([trained, other], Report(tmp_path, "covariate_shift", []))
    assert {"table.md", "table.csv", "epochs.csv", "diverged.csv", "digits.png"} <= {
        path.name for path in tmp_path.iterdir()
    }
