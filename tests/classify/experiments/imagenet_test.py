"""The experiment with ImageNet: its runs are the presets, its table is Table I."""

import csv

import pytest
import tensorflow as tf

from classify import presets
from classify.experiments import imagenet
from harness.errors import UserError
from harness.experiments.report import Report
from tests.classify.experiments.outcomes import trained


def test_the_runs_are_the_presets():
    jobs = {job.name: job.config for job in imagenet.jobs(imagenet.EXPERIMENT.request())}
    resnet_50 = {
        name.removeprefix("imagenet_resnet50_"): config
        for name, config in presets.PRESETS.items()
        if name.startswith("imagenet_resnet50_")
    }
    assert len(jobs) == 10
    assert {name.removesuffix("_steps"): config for name, config in jobs.items()} == resnet_50


def test_the_norms_are_table_i():
    jobs = {job.name: job.config for job in imagenet.jobs(imagenet.EXPERIMENT.request())}
    fields = ("depth", "variant", "norm", "group_size", "estimate", "schedule")
    found = {
        name: tuple(getattr(config, field) for field in fields) for name, config in jobs.items()
    }
    assert found["bn_steps"] == (50, "plain", "bn", None, "covariance", "steps")
    assert found["arc_b_itn_g64_matrix_cosine"] == (50, "arc_b", "itn", 64, "matrix", "cosine")
    assert found["arc_c_itn_g256_steps"] == (50, "arc_c", "itn", 256, "covariance", "steps")


def test_the_accuracies_are_the_papers():
    rows = {norm: row[1:] for norm, row in imagenet.NORMS.items()}
    assert rows == {
        "bn": (76.20, 76.62),
        "arc_b_itn_g64_matrix": (77.07, 77.47),
        "arc_c_itn_g64_matrix": (76.97, 77.43),
        "arc_b_itn_g256": (77.18, 77.68),
        "arc_c_itn_g256": (77.28, 77.92),
    }


def test_the_flags_choose():
    jobs = imagenet.jobs(imagenet.EXPERIMENT.request(scale="small", norms=["arc_b_itn_g256"]))
    assert [job.name for job in jobs] == ["arc_b_itn_g256_steps", "arc_b_itn_g256_cosine"]
    for job in jobs:
        assert all(getattr(job.config, name) == value for name, value in imagenet.SMALL.items())
        assert job.config.variant == "arc_b"
    with pytest.raises(UserError, match="Received: norms=itn"):
        imagenet.jobs(imagenet.EXPERIMENT.request(norms=["itn"]))


def test_the_table_has_the_papers_accuracies_beside(tmp_path):
    jobs = imagenet.jobs(imagenet.EXPERIMENT.request(norms=["bn", "arc_c_itn_g64_matrix"]))
    shares = [0.5, 0.625, 0.75, None]
    outcomes = [
        trained(tmp_path, job, None if share is None else [{"step": 9, "test_accuracy": share}])
        for job, share in zip(jobs, shares, strict=True)
    ]
    imagenet.report(outcomes, Report(tmp_path, "imagenet", []))
    with open(tmp_path / "table.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == [
        "norm",
        "step decay, %",
        "Table I, step decay, %",
        "cosine decay, %",
        "Table I, cosine decay, %",
        "diverged",
    ]
    assert rows == [
        ["BN", "50.0", "76.2", "62.5", "76.62", "0"],
        ["ItN, ARC_C", "75.0", "76.97", "", "77.43", "1"],
    ]
    text = (tmp_path / "table.md").read_text()
    assert "ResNet-50 of width 64 on imagenet2012's split validation at 224 x 224" in text
    assert tf.io.decode_png((tmp_path / "figure.png").read_bytes()).shape[0] > 400
