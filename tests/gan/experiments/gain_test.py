"""The experiment that asks what a recovery gains in a GAN: its runs, and what its tables tell."""

import csv

import pytest
import tensorflow as tf

from gan.experiments import gain
from harness.errors import UserError
from harness.experiments.report import Report
from tests.outcomes import trained


def jobs(**options):
    return gain.jobs(gain.EXPERIMENT.request(**options))


def test_every_norm_has_both_recoveries_at_each_setting_with_each_seed():
    kinds = {
        (
            job.config.norm,
            job.config.recovery,
            job.config.beta1,
            job.config.learning_rate,
            job.config.seed,
        )
        for job in jobs()
    }
    assert len(kinds) == len(jobs()) == 4 * 2 * 2 * 3
    assert {job.config.dataset for job in jobs()} == {"mnist"}
    assert {job.config.steps for job in jobs()} == {5_000}
    (size,) = {(job.config.dataset, job.config.image_size) for job in jobs(task="cifar10")}
    assert size == ("cifar10", 32)


def test_the_flags_choose():
    some = jobs(
        norms=["bn", "zca-16"], recoveries=["coloring"], settings=["2e-4:D"], seeds=2,
        overrides={"seed": 3, "steps": 7},
    )  # fmt: skip
    assert [job.name for job in some] == [
        "bn_coloring_2e-4_D_seed_3",
        "zca-16_coloring_2e-4_D_seed_3",
        "bn_coloring_2e-4_D_seed_4",
        "zca-16_coloring_2e-4_D_seed_4",
    ]
    assert some[1].config.group_size == 16
    assert {(job.config.steps, job.config.learning_rate) for job in some} == {(7, 2e-4)}


def test_without_a_norm_there_is_nothing_to_color():
    names = [job.name for job in jobs(norms=["none", "bn"], settings=["1e-3:D"], seeds=1)]
    assert names == [
        "none_scale_shift_1e-3_D_seed_0",
        "bn_scale_shift_1e-3_D_seed_0",
        "bn_coloring_1e-3_D_seed_0",
    ]
    with pytest.raises(UserError, match="Received: norms=none, recoveries=coloring"):
        jobs(norms=["none"], recoveries=["coloring"])


def test_what_cannot_be_colored_is_left_out_of_what_coloring_makes(tmp_path):
    outcomes = []
    for job in jobs(norms=["none", "bn", "itn"], settings=["1e-3:D"]):
        value = 1 + 0.01 * job.config.seed - 0.2 * (job.config.recovery == "coloring")
        row = {"step": 5_000, "frechet_distance": value}
        row |= {"inception_score": 2.0, "inception_score_deviation": 0.1}
        outcomes.append(trained(tmp_path, job, [row]))
    gain.report(outcomes, Report(tmp_path, "gain", []))
    told = {row["norm"]: row["differs"] for row in rows(tmp_path, "coloring")}
    assert told == {"bn": "less", "itn": "less", "all": "less"}


DISTANCES = {
    ("bn", "scale_shift"): [8.0, 8.1, 8.2],
    ("bn", "coloring"): [4.0, 4.1, 4.2],
    ("itn", "scale_shift"): [7.0, 8.5, 9.0],
    ("itn", "coloring"): [4.0, None, None],
}


@pytest.fixture
def report(tmp_path):
    outcomes = []
    for job in jobs(norms=["bn", "itn"], settings=["1e-3:A", "1e-3:D"]):
        value = DISTANCES[job.config.norm, job.config.recovery][job.config.seed]
        if value is not None and job.config.beta1 == 0.0:
            value *= 2
        row = {
            "step": 5_000,
            "frechet_distance": value,
            "inception_score": 2.0,
            "inception_score_deviation": 0.1,
        }
        outcomes.append(trained(tmp_path, job, None if value is None else [row]))
    gain.report(outcomes, Report(tmp_path, "gain", []))
    return tmp_path


def rows(report, name):
    return list(csv.DictReader((report / f"{name}.csv").open()))


def test_the_tables_tell_what_is_more_than_a_seed(report):
    table = {(row["norm"], row["recovery"]): row for row in rows(report, "table")}
    assert table["bn", "scale & shift"]["mean ± deviation"] == "8.100 ± 0.100"
    assert table["itn", "coloring"]["diverged"] == "2"
    coloring = {row["norm"]: row for row in rows(report, "coloring")}
    assert coloring["bn"]["differs"] == "less"
    assert coloring["bn"]["ratio (95 %)"].startswith("0.506 (")
    assert coloring["itn"]["differs"] == ""  # one run is left
    assert coloring["all"]["differs"] == ""
    norms = {row["norm"]: row for row in rows(report, "norms")}
    assert norms.keys() == {"itn, scale & shift", "itn, coloring", "itn"}
    assert norms["itn, scale & shift"]["differs"] == "no"
    assert norms["itn"]["setting"] == "all"
    assert len(rows(report, "runs")) == 24


def test_settings_together_tell_more_than_each(tmp_path):
    outcomes = []
    for job in jobs(norms=["bn"], settings=["1e-3:A", "1e-3:D"]):
        config = job.config
        value = (1.0, 1.1, 1.25)[config.seed] * (0.8 if config.recovery == "coloring" else 1.0)
        row = {"step": 5_000, "frechet_distance": value * (1 + config.beta1)}
        row |= {"inception_score": 2.0, "inception_score_deviation": 0.1}
        outcomes.append(trained(tmp_path, job, [row]))
    gain.report(outcomes, Report(tmp_path, "gain", []))
    told = {row["setting"]: row["differs"] for row in rows(tmp_path, "coloring")}
    assert told == {"1e-3:A": "no", "1e-3:D": "no", "all": "less"}


def test_the_figure_is_a_picture(report):
    shape = tf.io.decode_png((report / "figure.png").read_bytes()).shape
    assert shape[0] > 300 and shape[1] > 600


@pytest.mark.parametrize("options", [{"recoveries": ["coloring"]}, {"norms": ["none"]}])
def test_where_there_is_nothing_to_compare_it_is_told_all_the_same(tmp_path, options):
    outcomes = []
    for job in jobs(**{"norms": ["bn"], "settings": ["1e-3:D"], **options}):
        row = {"step": 5_000, "frechet_distance": 2.0 + job.config.seed}
        row |= {"inception_score": 2.0, "inception_score_deviation": 0.1}
        outcomes.append(trained(tmp_path, job, [row]))
    gain.report(outcomes, Report(tmp_path, "gain", []))
    assert [row["differs"] for row in rows(tmp_path, "coloring")] == [""]
    assert [row["differs"] for row in rows(tmp_path, "norms")] == [""]
