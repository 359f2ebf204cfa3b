"""The experiment with ImageNet: its runs are the presets, one of its tables is Table I."""

import csv

import pytest
import tensorflow as tf

from classify import presets
from classify.experiments import imagenet
from harness.errors import UserError
from harness.experiments.report import Report
from tests.outcomes import trained


def configs(**options):
    return {job.name: job.config for job in imagenet.jobs(imagenet.EXPERIMENT.request(**options))}


@pytest.mark.parametrize(("arch", "count", "prefix"), [("50", 10, ""), ("18", 17, "resnet18_")])
def test_the_runs_are_the_presets(arch, count, prefix):
    found = configs(archs=[f"resnet{arch}"])
    beginning = f"imagenet_resnet{arch}_"
    of_presets = {
        prefix + name.removeprefix(beginning): config
        for name, config in presets.PRESETS.items()
        if name.startswith(beginning)
    }
    assert len(found) == count
    assert {name.removesuffix("_steps"): config for name, config in found.items()} == of_presets
    assert found.items() < configs().items()


def test_the_norms_are_table_i():
    jobs = configs()
    fields = ("depth", "variant", "norm", "group_size", "estimate", "schedule")
    found = {
        name: tuple(getattr(config, field) for field in fields) for name, config in jobs.items()
    }
    assert found["bn_steps"] == (50, "plain", "bn", None, "covariance", "steps")
    assert found["arc_b_itn_g64_matrix_cosine"] == (50, "arc_b", "itn", 64, "matrix", "cosine")
    assert found["arc_c_itn_g256_steps"] == (50, "arc_c", "itn", 256, "covariance", "steps")


def test_the_accuracies_are_the_papers():
    rows = {norm: row[1:] for norm, row in imagenet.TABLE_I.items()}
    assert rows == {
        "bn": (76.20, 76.62),
        "arc_b_itn_g64_matrix": (77.07, 77.47),
        "arc_c_itn_g64_matrix": (76.97, 77.43),
        "arc_b_itn_g256": (77.18, 77.68),
        "arc_c_itn_g256": (77.28, 77.92),
    }


def test_the_flags_choose():
    found = configs(scale="small", norms=["arc_b_itn_g256"])
    named = ["arc_b_itn_g256_steps", "arc_b_itn_g256_cosine"]
    assert list(found) == ["resnet18_arc_b_itn_g256_steps", *named]
    for config in found.values():
        assert all(getattr(config, name) == value for name, value in imagenet.SMALL.items())
        assert config.variant == "arc_b"
    assert [config.depth for config in found.values()] == [18, 50, 50]
    for options in ({"norms": ["itn"]}, {"norms": ["arc_a_zca_g16"], "archs": ["resnet50"]}):
        with pytest.raises(UserError, match=f"Received: norms={options['norms'][0]}"):
            configs(**options)
    with pytest.raises(UserError, match="Received: archs=vgg19"):
        configs(archs=["vgg19"])


def test_the_table_has_the_papers_accuracies_beside(tmp_path):
    asked = {"norms": ["bn", "arc_c_itn_g64_matrix"], "archs": ["resnet50"]}
    jobs = imagenet.jobs(imagenet.EXPERIMENT.request(**asked))
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


def test_resnet_18_has_a_table_of_its_own(tmp_path, monkeypatch):
    drawn = {}

    def remember(path, panels, **options):
        drawn[path.name] = panels
        write_rows(path, panels, **options)

    write_rows = imagenet.charts.write_rows
    monkeypatch.setattr(imagenet.charts, "write_rows", remember)
    asked = ["bn", "arc_a_zca_g16_matrix", "arc_c_no_last_cd"]
    jobs = imagenet.jobs(imagenet.EXPERIMENT.request(norms=asked, archs=["resnet18"]))
    outcomes = [
        trained(tmp_path, job, None if share is None else [{"step": 9, "test_accuracy": share}])
        for job, share in zip(jobs, [0.5, None, 0.75], strict=True)
    ]
    imagenet.report(outcomes, Report(tmp_path, "imagenet", []))
    assert not (tmp_path / "table.csv").exists()
    with open(tmp_path / "resnet18.csv", newline="") as file:
        header, *rows = csv.reader(file)
    fields = ["norm", "place", "channels in a group", "estimate", "step decay, %", "state"]
    assert header == fields
    assert rows == [
        ["bn", "", "", "", "50.0", "complete"],
        ["zca", "arc_a", "16", "matrix", "", "diverged"],
        ["cd", "arc_c_no_last", "all", "covariance", "75.0", "complete"],
    ]
    assert "ResNet-18 of width 64 on imagenet2012" in (tmp_path / "table.md").read_text()
    assert drawn == {
        "figure_resnet18.png": {
            "ResNet-18, imagenet2012: top-1 accuracy, %": {
                "bn": {"": 50.0},
                "arc_a, zca-16, matrix": {"": None},
                "arc_c_no_last, cd, covariance": {"": 75.0},
            }
        }
    }
