"""The experiment that asks what a normalization gains: its runs, and the best rate's row."""

import csv

import pytest
import tensorflow as tf

from classify.experiments import gain
from harness.experiments.report import Report
from tests.outcomes import trained


def jobs(**options):
    return gain.jobs(gain.EXPERIMENT.request(**options))


def test_every_norm_is_at_every_rate_with_every_seed():
    found = {
        (job.config.norm, job.config.group_size, job.config.learning_rate, job.config.seed)
        for job in jobs()
    }
    assert len(found) == len(jobs()) == 7 * 3 * 3
    assert {job.config.train_size for job in jobs()} == {20_000}
    assert {job.config.dataset for job in jobs(task="mnist")} == {"mnist"}


def test_the_flags_choose():
    some = jobs(
        norms=["bn", "itn-16"], rates=["0.1"], batch_sizes=["2", "8"], seeds=1,
        overrides={"seed": 7, "epsilon": 0.5},
    )  # fmt: skip
    assert [job.name for job in some] == [
        "bn_batch_2_rate_0.00313_seed_7",
        "itn-16_batch_2_rate_0.00313_seed_7",
        "bn_batch_8_rate_0.0125_seed_7",
        "itn-16_batch_8_rate_0.0125_seed_7",
    ]
    assert {job.config.epsilon for job in some} == {0.5}
    # What it tells by epochs is not told of runs of steps.
    assert "steps" not in gain.EXPERIMENT.flag_names


def test_a_rate_is_rounded_where_it_is_made_for_another_size_alone():
    one, other = jobs(norms=["bn"], rates=["0.12345"], batch_sizes=["64", "128"], seeds=1)
    assert (one.config.learning_rate, other.config.learning_rate) == (0.12345, 0.247)
    assert one.name == "bn_batch_64_rate_0.12345_seed_0"


def test_seeds_follow_the_one_that_is_given():
    some = jobs(norms=["bn"], rates=["0.1"], seeds=3, overrides={"seed": 5})
    assert [job.config.seed for job in some] == [5, 6, 7]
    assert [job.name[-6:] for job in some] == ["seed_5", "seed_6", "seed_7"]


def test_the_best_rate_is_that_of_the_mean_and_a_diverged_run_counts(tmp_path):
    # At the rate 0.3 one seed is the best of all, and the other has diverged.
    shares = {(0.1, 0): [0.55, 0.62], (0.1, 1): [0.61, 0.66], (0.3, 0): [0.1, 0.9]}
    outcomes = []
    for job in jobs(norms=["bn"], rates=["0.1", "0.3"], seeds=2, overrides={"epochs": 4.0}):
        values = shares.get((job.config.learning_rate, job.config.seed))
        rows = values and [
            {"step": 10 * (i + 1), "test_accuracy": value} for i, value in enumerate(values)
        ]
        outcomes.append(trained(tmp_path, job, rows))
    gain.report(outcomes, Report(tmp_path, "gain", []))
    (row,) = csv.DictReader((tmp_path / "table.csv").open())
    assert row["learning rate"] == "0.1"
    assert float(row["mean accuracy, %"]) == pytest.approx(64.0)
    assert float(row["standard deviation"]) == pytest.approx(2**1.5)
    assert row["mean ± deviation"] == "64.00 ± 2.83"
    assert r"64.00 $\pm$ 2.83" in (tmp_path / "table.tex").read_text()
    # Reached at the end of 4 epochs, and after 2 of them.
    assert (row["epochs to 60 %"], row["epochs to 70 %"]) == ("2.0", "")
    rates = list(csv.DictReader((tmp_path / "rates.csv").open()))
    assert [(row["runs"], row["diverged"]) for row in rates] == [("2", "0"), ("2", "1")]
    assert tf.io.decode_png((tmp_path / "figure.png").read_bytes()).shape[1] == 800


def test_of_several_batch_sizes_the_ends_are_drawn_and_no_epoch_is_told(tmp_path):
    """Runs that were measured at their end alone reached nothing at an epoch that is known."""
    outcomes = [
        trained(tmp_path, job, [{"step": 10, "test_accuracy": 0.6}])
        for job in jobs(norms=["bn", "gn-2"], rates=["0.1"], batch_sizes=["2", "8"], seeds=2)
    ]
    gain.report(outcomes, Report(tmp_path, "gain", []))
    for row in csv.DictReader((tmp_path / "table.csv").open()):
        assert row["mean accuracy, %"] == "60.0"
        assert not [name for name in row if name.startswith("epochs to")]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["figure_batches.png"]
