"""The experiment with batches of 2: its runs are the presets, its report has medians."""

import collections
import csv
import dataclasses

import pytest
import tensorflow as tf

from classify import presets
from classify.experiments import micro_batch
from harness.errors import UserError
from harness.experiments.report import Report
from harness.figures import charts
from tests.outcomes import trained


def names(**options):
    return [job.name for job in micro_batch.jobs(micro_batch.EXPERIMENT.request(**options))]


def test_the_runs_are_the_presets_with_three_seeds():
    jobs = {job.name: job.config for job in micro_batch.jobs(micro_batch.EXPERIMENT.request())}
    assert len(jobs) == 12 * 3
    for name, config in jobs.items():
        norm, seed = name.split("_seed_")
        preset = presets.PRESETS[f"cifar10_resnet110_{norm}_batch2"]
        assert config == dataclasses.replace(preset, seed=int(seed))


def test_the_norms_are_table_1():
    assert list(micro_batch.PUBLISHED) == list(presets.MICRO_NORMS)
    found = collections.Counter(
        (job.config.norm, job.config.groups, job.config.group_size)
        for job in micro_batch.jobs(micro_batch.EXPERIMENT.request())
    )
    expected = [("bn", None, None), ("unitization", None, None)]
    for number in (1, 2, 4, 8, 16):
        expected += [("gn", number, None), ("gn", None, number)]
    assert found == dict.fromkeys(expected, 3)


def test_the_flags_choose():
    seven = {"seed": 7}
    assert names(norms=["gn_c1", "bn"], repeated=["bn"], seeds=2, overrides=seven) == [
        "gn_c1_seed_7",
        "bn_seed_7",
        "bn_seed_8",
    ]


def test_the_small_scale_repeats_two():
    jobs = micro_batch.jobs(micro_batch.EXPERIMENT.request(scale="small"))
    assert len(jobs) == 12 + 2 * 2
    for job in jobs:
        assert all(getattr(job.config, name) == value for name, value in micro_batch.SMALL.items())
        assert job.config.batch_size == 2
    assert {job.name for job in jobs if job.config.seed} == {
        f"{norm}_seed_{seed}" for norm in ("bn", "unitization") for seed in (1, 2)
    }


def test_the_median_of_two_runs_is_one_of_them_in_table_and_figure(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(charts, "write_boxes", lambda *_, medians, **__: drawn.update(medians))
    shares = {"bn": [0.5, None], "unitization": [0.75, 0.25]}
    outcomes = []
    for job in micro_batch.jobs(
        micro_batch.EXPERIMENT.request(norms=["bn", "unitization"], seeds=2)
    ):
        norm, seed = job.name.split("_seed_")
        share = shares[norm][int(seed)]
        history = None if share is None else [{"step": 9, "test_accuracy": share}]
        outcomes.append(trained(tmp_path, job, history))
    micro_batch.report(outcomes, Report(tmp_path, "micro_batch", []))
    with open(tmp_path / "table.csv", newline="") as file:
        medians = [row["median accuracy, %"] for row in csv.DictReader(file)]
    assert medians == ["", "25.0"]
    assert drawn == {("BN", "accuracy"): None, ("unitization", "accuracy"): 25.0}


@pytest.mark.parametrize("options", [{"norms": ["gn"]}, {"repeated": ["gn_c3"]}])
def test_what_there_is_not_is_refused(options):
    ((flag, (name,)),) = options.items()
    with pytest.raises(UserError, match=f"--{flag} must be of .* Received: {flag}={name}"):
        micro_batch.jobs(micro_batch.EXPERIMENT.request(**options))


def test_the_table_has_medians_in_which_what_diverged_is_worst(tmp_path):
    jobs = micro_batch.jobs(
        micro_batch.EXPERIMENT.request(norms=["gn_g1", "bn", "unitization"], seeds=3)
    )
    shares = {"gn_g1": [None, 0.125, None], "bn": [0.5, None, 0.75], "unitization": [0.25] * 3}
    outcomes = []
    for job in jobs:
        norm, seed = job.name.split("_seed_")
        share = shares[norm][int(seed)]
        history = None if share is None else [{"step": 9, "test_accuracy": share}]
        outcomes.append(trained(tmp_path, job, history))
    micro_batch.report(outcomes, Report(tmp_path, "micro_batch", []))
    with open(tmp_path / "table.csv", newline="") as file:
        found = [list(row.values()) for row in csv.DictReader(file)]
    assert found == [
        ["GN 1 group", "", "12.5", "12.5", "3", "2", "10.0"],
        ["BN", "50.0", "50.0", "75.0", "3", "1", "71.5"],
        ["unitization", "25.0", "25.0", "25.0", "3", "0", "81.88"],
    ]
    assert tf.io.decode_png((tmp_path / "figure.png").read_bytes()).shape[0] > 300


NAMED = ["bn", "unitization_unit_interval", "gw"]


def test_every_named_norm_is_at_every_rate_with_every_seed():
    jobs = micro_batch.jobs(
        micro_batch.EXPERIMENT.request(
            scale="small", norms=NAMED, rates=["0.005", "5e-2"], seeds=2, overrides={"epochs": 6.0}
        )
    )
    assert [job.name for job in jobs] == [
        f"{norm}_rate_{rate}_seed_{seed}"
        for seed in (0, 1)
        for rate in ("0.005", "0.05")
        for norm in NAMED
    ]
    assert {
        (job.config.norm, job.config.alpha_constraint, job.config.learning_rate) for job in jobs
    } == {
        (norm, kept, rate)
        for norm, kept in (("bn", None), ("unitization", "unit_interval"), ("gw", None))
        for rate in (0.005, 0.05)
    }
    for name, value in (micro_batch.SMALL | {"batch_size": 2, "epochs": 6.0}).items():
        assert {getattr(job.config, name) for job in jobs} == {value}


def test_a_rate_is_told_once():
    both = {"rates": ["0.005"], "overrides": {"learning_rate": 0.05}}
    with pytest.raises(UserError, match="Received: rates=0.005, learning_rate=0.05"):
        names(**both)


def test_the_table_of_rates_has_the_best_and_all(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(charts, "write_boxes", lambda _, boxes, *__, **___: drawn.update(boxes))
    # At 0.05 one seed of BN is the best of all, and the other has diverged.
    shares = {
        ("bn", 0.005): [0.5, 0.75],
        ("bn", 0.05): [0.875, None],
        ("gw", 0.005): [0.25, 0.25],
        ("gw", 0.05): [0.5, 0.25],
    }
    jobs = micro_batch.jobs(
        micro_batch.EXPERIMENT.request(norms=["bn", "gw"], rates=["0.05", "0.005"], seeds=2)
    )
    outcomes = []
    for job in jobs:
        norm, config = job.name.split("_")[0], job.config
        share = shares[norm, config.learning_rate][config.seed]
        history = None if share is None else [{"step": 9, "test_accuracy": share}]
        outcomes.append(trained(tmp_path, job, history))
    micro_batch.report(outcomes, Report(tmp_path, "micro_batch", []))
    tables = {}
    for name in ("table", "rates"):
        with open(tmp_path / f"{name}.csv", newline="") as file:
            tables[name] = [
                [row[key] for key in ("normalization", "learning rate", "mean ± deviation", "runs")]
                for row in csv.DictReader(file)
            ]
    assert tables["table"] == [
        ["BN", "0.005", "62.50 ± 17.68", "2"],
        ["GW, ItN", "0.05", "37.50 ± 17.68", "2"],
    ]
    row = (tmp_path / "table.csv").read_text().splitlines()[2]
    assert row.endswith(",no") and ",-25 (-1" in row  # Welch's interval of two runs is wide
    assert tables["rates"] == [
        ["BN", "0.005", "62.50 ± 17.68", "2"],
        ["BN", "0.05", "", "2"],
        ["GW, ItN", "0.005", "25.00 ± 0.00", "2"],
        ["GW, ItN", "0.05", "37.50 ± 17.68", "2"],
    ]
    assert drawn["BN"] == {"learning rate 0.005": [50.0, 75.0], "learning rate 0.05": [87.5, None]}
