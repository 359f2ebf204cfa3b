"""The experiment with VGG-19: its runs are the presets, and its report is of their numbers."""

import csv

import pytest
import tensorflow as tf

from classify import presets
from classify.experiments import vgg
from harness.errors import UserError
from harness.experiments.report import Report
from tests.outcomes import trained


def names(**options):
    return [job.name for job in vgg.jobs(vgg.EXPERIMENT.request(**options))]


def test_the_runs_are_the_presets():
    jobs = {job.name: job.config for job in vgg.jobs(vgg.EXPERIMENT.request())}
    assert len(jobs) == 1 + 4 * 6 * 2
    assert jobs.pop("bn") == presets.PRESETS["cifar10_vgg19_bn"]
    assert jobs == {
        f"{norm}-{size}{suffix}": presets.PRESETS[f"cifar10_vgg19_{norm}_g{size}{suffix}"]
        for norm in ("pca", "zca", "cd", "itn")
        for size in (16, 32, 64, 128, 256, 512)
        for suffix in ("", "_matrix")
    }


def test_the_flags_choose():
    assert names(norms=["bn", "cd-8"]) == ["bn", "cd-8", "cd-8_matrix"]
    # Only whitenings have a matrix.
    assert names(norms=["bn", "cd", "cd"], estimates=["matrix"]) == ["bn", "cd_matrix"]


def test_flags_override_what_comes_with_a_norm():
    changes = {"epsilon": 0.5, "norm_momentum": 0.25}
    for job in vgg.jobs(vgg.EXPERIMENT.request(norms=["bn", "itn"], overrides=changes)):
        assert (job.config.epsilon, job.config.norm_momentum) == (0.5, 0.25)


def test_the_small_scale_has_groups_that_its_channels_fill():
    jobs = vgg.jobs(vgg.EXPERIMENT.request(scale="small"))
    assert len(jobs) == 1 + 4 * 4 * 2
    width = vgg.SMALL["width"]
    assert {job.config.group_size for job in jobs} == {None, 16, 32, 64, 8 * width}
    for job in jobs:
        assert all(getattr(job.config, name) == value for name, value in vgg.SMALL.items())


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"norms": ["layer"]}, ValueError, "Received: norm='layer'"),
        ({"norms": ["bn-16"]}, ValueError, "Received: norm='bn-16'"),
        ({"norms": ["unitization"]}, UserError, "Received: norms=unitization"),
        ({"norms": ["gn-16"]}, UserError, "Received: norms=gn-16"),
        ({"estimates": ["mean"]}, UserError, "Received: estimates=mean"),
    ],
)
def test_what_there_is_not_is_refused(options, error, said):
    with pytest.raises(error, match=said):
        vgg.jobs(vgg.EXPERIMENT.request(**options))


# The accuracies at the end, as shares.
ACCURACIES = {
    "bn": 0.5,
    "itn-16": 0.625,
    "itn-16_matrix": None,
    "itn-64": 0.75,
    "itn-64_matrix": 0.25,
    "itn": 0.875,
    "itn_matrix": 0.125,
}


def rows(accuracy):
    """A history whose losses in the last tenth are 2 and 4."""
    losses = [{"step": step, "loss": loss} for step, loss in ((90, 9.0), (91, 2.0), (100, 4.0))]
    return [*losses[:-1], losses[-1] | {"test_accuracy": accuracy}]


@pytest.fixture
def outcomes(tmp_path):
    jobs = vgg.jobs(vgg.EXPERIMENT.request(norms=["bn", "itn-16", "itn-64", "itn"]))
    assert [job.name for job in jobs] == list(ACCURACIES)
    return [
        trained(tmp_path, job, None if accuracy is None else rows(accuracy))
        for job, accuracy in zip(jobs, ACCURACIES.values(), strict=True)
    ]


def test_the_table_has_accuracies_and_losses(tmp_path, outcomes):
    vgg.report(outcomes, Report(tmp_path, "vgg", []))
    with open(tmp_path / "table.csv", newline="") as file:
        found = [tuple(row.values()) for row in csv.DictReader(file)]
    assert found == [
        ("bn", "", "", "50.0", "3.0", "complete"),
        ("itn", "16", "covariance", "62.5", "3.0", "complete"),
        ("itn", "16", "matrix", "", "", "diverged"),
        ("itn", "64", "covariance", "75.0", "3.0", "complete"),
        ("itn", "64", "matrix", "25.0", "3.0", "complete"),
        ("itn", "512", "covariance", "87.5", "3.0", "complete"),
        ("itn", "512", "matrix", "12.5", "3.0", "complete"),
    ]
    assert tf.io.decode_png((tmp_path / "figure.png").read_bytes()).shape[0] > 400


def test_the_lines_are_over_group_sizes_and_count_what_diverged(monkeypatch, tmp_path, outcomes):
    drawn = {}
    monkeypatch.setattr(vgg, "write_lines", lambda path, *given, **_: drawn.update(given[0]))
    vgg.report(outcomes, Report(tmp_path, "vgg", []))
    bn = [(16, 50), (64, 50), (512, 50)]
    assert drawn == {
        "VGG-19 of width 64, moving covariance": {
            "bn": bn,
            "itn": [(16, 62.5), (64, 75), (512, 87.5)],
        },
        "VGG-19 of width 64, moving matrix; diverged: itn 1": {
            "bn": bn,
            "itn": [(64, 25), (512, 12.5)],
        },
    }


def test_batch_normalization_by_itself_is_reported(tmp_path):
    (job,) = vgg.jobs(vgg.EXPERIMENT.request(norms=["bn"]))
    vgg.report([trained(tmp_path, job, rows(0.5))], Report(tmp_path, "vgg", []))
    assert (tmp_path / "figure.png").exists()
