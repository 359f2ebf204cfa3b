"""The cost experiment, at a size of which the numbers mean nothing."""

import pytest
import tensorflow as tf

from gan import presets
from gan.experiments import cost
from harness import sealed
from harness.errors import UserError
from harness.experiments.experiment import Outcome
from harness.experiments.report import Report
from harness.run.directory import RunDirectory

TINY = {"generator_filters": 8, "discriminator_filters": 8, "batch_size": 2, "image_size": 28}


def test_the_runs_are_the_papers_generators():
    jobs = {job.name: job.config for job in cost.jobs(cost.EXPERIMENT.request())}
    assert list(jobs) == ["dcgan", "large_dcgan", "resnet"]
    assert jobs["large_dcgan"].norms == "bn,cd,zca-64,itn"
    assert {(config.rounds, config.batch_size) for config in jobs.values()} == {(100, 64)}
    preset = presets.PRESETS["large_resnet_zca"]
    config = jobs["resnet"].trainer_config("zca-64", "cpu")
    same = ("arch", "norm", "group_size", "recovery", "iterations", "generator_filters")
    assert [getattr(config, name) for name in same] == [getattr(preset, name) for name in same]
    assert (config.n_dis, config.generator_batch_multiple, config.device) == (1, 1, "cpu")


@pytest.mark.parametrize("options", [{"norms": ["x"]}, {"archs": ["vgg"]}])
def test_what_there_is_not_is_refused(options):
    with pytest.raises((UserError, ValueError), match="Received: "):
        cost.jobs(cost.EXPERIMENT.request(**options))


def test_generators_are_timed_and_reported(tmp_path):
    request = cost.EXPERIMENT.request(archs=["dcgan"], norms=["zca-4"], rounds=2, overrides=TINY)
    (job,) = cost.jobs(request)
    directory = RunDirectory(tmp_path / "runs" / job.name)
    cost.carry_out(job.config, directory)
    found = sealed.read(directory / cost.PRODUCT)
    assert [row["norm"] for row in found["rows"]] == ["bn", "zca-4"]
    assert found["rows"][0]["training step, bn's = 1"] == 1.0
    assert all(row["generator pass, s"] > 0 for row in found["rows"])
    found["rows"][1] |= {"generator pass, s": 0.25, "norm": "zca-64"}
    found["rows"].append(found["rows"][1] | {"architecture": "large_dcgan"})
    sealed.write(directory / cost.PRODUCT, found)

    outcome = Outcome(job, "complete", directory)
    assert cost.describe(outcome) == "3 generators timed, 2 rounds"
    cost.report([outcome], Report(tmp_path, "cost", []))
    text = (tmp_path / "table.md").read_text()
    assert "Medians of 2 rounds" in text and "TensorFlow 2." in text
    # Table VI is of the large networks: Tables VIII and IX.
    small, large = (line for line in text.splitlines() if "| zca-64 | CPU | 0.2500 |" in line)
    assert small.startswith("| dcgan |") and small.endswith("| - |")
    assert large.startswith("| large_dcgan |") and large.endswith("| 0.018 / 0.544 |")
    assert tf.io.decode_png((tmp_path / "figure_dcgan.png").read_bytes()).shape[0] > 400
