"""The experiment with larger networks: its jobs are the presets."""

import json

import tensorflow as tf

from gan import presets
from gan.experiments import large, trained
from harness.experiments.experiment import Outcome
from harness.experiments.report import Report
from harness.run.directory import RunDirectory


def test_the_runs_are_the_presets():
    jobs = {job.name: job.config for job in large.jobs(large.EXPERIMENT.request())}
    assert jobs == {
        f"{arch}_{norm}": presets.PRESETS[f"{family}_{norm.removesuffix('-64')}"]
        for arch, family in (("large_dcgan", "large_dcgan"), ("resnet", "large_resnet"))
        for norm in ("bn", "cd", "zca-64", "itn")
    }


def test_the_flags_choose():
    jobs = large.jobs(large.EXPERIMENT.request(scale="small", archs=["resnet"], norms=["itn-16"]))
    ((name, config),) = jobs
    assert name == "resnet_itn-16"
    assert (config.group_size, config.steps) == (16, trained.SMALL["steps"])


def test_the_report_has_each_run(tmp_path):
    outcomes = []
    for i, job in enumerate(large.jobs(large.EXPERIMENT.request())):
        directory = RunDirectory(tmp_path / job.name)
        directory.path.mkdir()
        row = {"step": 9, "frechet_distance": 20.0 + i, "inception_score": None}
        row["inception_score_deviation"] = None
        (directory / "result.json").write_text(json.dumps(row))
        outcomes.append(Outcome(job, "diverged" if i == 3 else "complete", directory))
    large.report(outcomes, Report(tmp_path, "large", []))
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert lines[0] == "architecture,norm,FID,IS,IS deviation,state"
    assert lines[3:6] == [
        "large_dcgan,zca-64,22.0,,,complete",
        "large_dcgan,itn,,,,diverged",
        "resnet,bn,24.0,,,complete",
    ]
    assert tf.io.decode_png((tmp_path / "figure.png").read_bytes()).shape[0] > 400
