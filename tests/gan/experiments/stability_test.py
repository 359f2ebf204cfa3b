"""The stability experiment: its jobs are the authors', and its report is of their numbers."""

import collections
import csv
import dataclasses
import json

import pytest
import tensorflow as tf

from gan import presets
from gan.experiments import stability, trained
from gan.experiments.settings import SETTINGS
from harness.errors import UserError
from harness.experiments.report import Report
from harness.experiments.sweep import Sweep


def names(**options):
    return [job.name for job in stability.jobs(stability.EXPERIMENT.request(**options))]


def test_the_settings_are_table_ii():
    fields = ("learning_rate", "beta1", "beta2", "n_dis")
    settings = {tuple(setting[name] for name in fields) for setting in SETTINGS.values()}
    betas = [(0, 0.9, 1), (0.5, 0.9, 5), (0.5, 0.999, 1), (0.5, 0.999, 5), (0.9, 0.999, 5)]
    assert settings == {(rate, *each) for rate in (0.0001, 0.0002, 0.001) for each in betas}
    assert len(SETTINGS) == 15


def test_the_default_is_what_the_authors_have_run():
    jobs = stability.jobs(stability.EXPERIMENT.request())
    assert len({job.name for job in jobs}) == len(jobs) == 15 * 15 + 15 * 8
    paper = dataclasses.asdict(presets.PRESETS["cifar10_dcgan"])
    varied = {"norm", "group_size", "recovery", "estimate", "learning_rate", "beta1", "beta2"}
    for job in jobs:
        for name, value in dataclasses.asdict(job.config).items():
            assert name in varied | {"n_dis"} or value == paper[name]
    of = collections.Counter(
        (job.config.norm, job.config.group_size, job.config.estimate) for job in jobs
    )
    covariance = {("none", None): 15, ("bn", None): 30, ("cd", 64): 30, ("cd", None): 30}
    covariance |= {("itn", None): 30} | {("zca", size): 30 for size in (16, 32, 64)}
    matrix = dict.fromkeys([("cd", None), ("itn", None), ("zca", 16), ("zca", 32)], 30)
    assert of == {(*key, "covariance"): count for key, count in covariance.items()} | {
        (*key, "matrix"): count for key, count in matrix.items()
    }


def test_a_name_says_what_a_run_is():
    jobs = {
        job.name: job.config
        for job in stability.jobs(stability.EXPERIMENT.request(loss="non_saturating"))
    }
    config = jobs["zca-16_matrix_coloring_1e-3_C"]
    assert (config.norm, config.group_size, config.estimate) == ("zca", 16, "matrix")
    assert (config.recovery, config.loss) == ("coloring", "non_saturating")
    assert (config.learning_rate, config.beta1, config.beta2, config.n_dis) == (1e-3, 0.5, 0.999, 5)
    assert jobs["bn_scale_shift_2e-4_A"].loss == "non_saturating"


def test_the_flags_choose():
    one = {"norms": ["itn"], "recoveries": ["coloring"], "estimates": ["covariance"]}
    assert names(**one, settings=["2e-4:A"]) == ["itn_coloring_2e-4_A"]
    assert names(**one, settings=["2e-4", "1e-3:A"]) == [
        *(f"itn_coloring_2e-4_{letter}" for letter in "ABCDE"),
        "itn_coloring_1e-3_A",
    ]
    assert names(**one, settings=["D"]) == [f"itn_coloring_{r}_D" for r in ("1e-4", "2e-4", "1e-3")]
    # Only whitenings have a matrix; nothing is to be recovered where nothing is normalised.
    few = {"norms": ["none", "bn", "zca-8"], "settings": ["1e-4:A"]}
    assert names(**few, estimates=["matrix"]) == [
        "zca-8_matrix_scale_shift_1e-4_A",
        "zca-8_matrix_coloring_1e-4_A",
    ]
    assert names(**few, recoveries=["coloring"]) == ["bn_coloring_1e-4_A", "zca-8_coloring_1e-4_A"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"norms": ["layer"]}, "Received: norm='layer'"),
        ({"norms": ["zca-0"]}, "Received: norm='zca-0'"),
        ({"norms": ["bn-16"]}, "Received: norm='bn-16'"),
        ({"norms": ["zca-"]}, "Received: norm='zca-'"),
        ({"settings": ["2e-4:F", "A"]}, "Received: settings=2e-4:F"),
        ({"recoveries": ["color"]}, "Received: recoveries=color"),
        ({"norms": ["bn"], "estimates": ["matrix"]}, "leave no run"),
    ],
)
def test_what_there_is_not_is_refused(options, said):
    with pytest.raises((UserError, ValueError), match=said):
        stability.jobs(stability.EXPERIMENT.request(**options))


def test_the_small_scale_is_one_table_that_flags_override():
    jobs = stability.jobs(stability.EXPERIMENT.request(scale="small", overrides={"steps": 7}))
    assert len(jobs) == 4 * 2 * 15
    for job in jobs:
        for name, value in trained.SMALL.items():
            assert getattr(job.config, name) == (7 if name == "steps" else value)


RESULTS = {
    "bn_scale_shift_2e-4_A": (40.0, 7.0),
    "bn_scale_shift_2e-4_D": (30.0, 7.5),
    "bn_coloring_2e-4_A": None,
    "bn_coloring_2e-4_D": None,
    "zca-64_scale_shift_2e-4_A": None,
    "zca-64_scale_shift_2e-4_D": (29.0, 8.0),
    "zca-64_coloring_2e-4_A": (28.0, None),
    "zca-64_coloring_2e-4_D": (300.0, 2.0),
}


@pytest.fixture
def report(tmp_path):
    options = {"norms": ["bn", "zca-64"], "settings": ["2e-4:A", "2e-4:D"]}
    jobs = stability.jobs(stability.EXPERIMENT.request(**options, loss="non_saturating"))
    assert [job.name for job in jobs] == list(RESULTS)
    for job in jobs:
        directory = tmp_path / "runs" / job.name
        directory.mkdir(parents=True)
        (directory / "config.json").write_text(json.dumps(dataclasses.asdict(job.config)))
        result = RESULTS[job.name]
        if result is None:
            (directory / "diverged.json").write_text('{"message": "nan"}')
            continue
        rows = [(0, 500.0, 1.0, 0.1), (100_000, *result, 0.2)]
        keys = ("step", "frechet_distance", "inception_score", "inception_score_deviation")
        rows = [json.dumps(dict(zip(keys, row, strict=True))) for row in rows]
        (directory / "result.json").write_text(rows[-1])
    sweep = Sweep(tmp_path, stability.EXPERIMENT)
    stability.report(sweep.outcomes(jobs), Report(tmp_path, "stability", ["seed: 0"]))
    return tmp_path


def test_the_table_has_the_best_and_counts_what_diverged(report):
    with open(report / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = ("norm", "recovery", "best FID", "IS", "at", "median FID", "runs", "diverged")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("bn", "scale & shift", "30.0", "7.5", "2e-4:D", "35.0", "2", "0"),
        ("bn", "coloring", "", "", "", "", "2", "2"),
        ("zca-64", "scale & shift", "29.0", "8.0", "2e-4:D", "", "2", "1"),
        ("zca-64", "coloring", "28.0", "", "2e-4:A", "164.0", "2", "0"),
    ]
    assert [row["FID of Table III"] for row in rows] == ["30.26", "28.35", "29.24", "26.78"]
    assert rows[2]["IS of Table III"] == "7.128 ± 0.067"
    text = (report / "table.md").read_text()
    assert "* seed: 0" in text
    assert "| zca-64_scale_shift_2e-4_A | 2e-4:A | - | - | diverged |" in text


def test_methods_are_columns_as_in_table_iii(report):
    with open(report / "table_iii.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["recovery", "of", "bn", "zca-64"]
    assert rows == [
        ["scale & shift", "FID", "30.0", "29.0"],
        ["scale & shift", "IS", "7.500 ± 0.200", "8.000 ± 0.200"],
        ["coloring", "FID", "", "28.0"],
        ["coloring", "IS", "", ""],
        ["scale & shift, published", "FID", "30.26", "29.24"],
        ["scale & shift, published", "IS", "7.141 ± 0.066", "7.128 ± 0.067"],
        ["coloring, published", "FID", "28.35", "26.78"],
        ["coloring, published", "IS", "7.264 ± 0.122", "7.445 ± 0.094"],
    ]
    text = (report / "table_iii.tex").read_text()
    assert r"scale \& shift & FID & 30.00 & 29.00 \\" in text
    assert r"scale \& shift & IS & 7.500 $\pm$ 0.200 & 8.000 $\pm$ 0.200 \\" in text
    assert (report / "figure.pdf").read_bytes().startswith(b"%PDF")


def test_the_median_of_table_and_figure_is_one():
    assert stability._median([1.0, 2.0]) == 1.5
    assert stability._median([1.0, None, 2.0]) == 2.0
    assert stability._median([1.0, None]) is None


def test_the_figure_is_a_picture(report):
    shape = tf.io.decode_png((report / "figure.png").read_bytes()).shape
    assert shape[0] > 400 and shape[1] > 400
    assert not (report / "figure_estimates.png").exists()
