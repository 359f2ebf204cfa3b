"""Runs that train, in a sweep: one that diverges is recorded as such, and another goes on."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from gan import presets
from gan.experiments import large, trained
from gan.measuring import measure_samples
from gan.metrics.features import INCEPTION, FeatureNetwork
from gan.metrics.statistics import reference_statistics
from harness.datasets import load_images
from harness.errors import Diverged
from harness.experiments.experiment import Job, Outcome
from harness.experiments.sweep import Sweep
from harness.run.directory import RunDirectory
from tests.jobs import in_this_process

CONFIG = dataclasses.replace(
    presets.PRESETS["quickstart"],
    generator_filters=8,
    discriminator_filters=8,
    batch_size=8,
    image_size=28,
    steps=3,
    eval_samples=40,
    learning_rate=3e38,
)


def test_a_run_that_diverges_is_recorded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sweep = Sweep(tmp_path, large.EXPERIMENT)
    jobs = [Job("too_fast", CONFIG)]
    sweep.carry_out(jobs, in_this_process)
    (outcome,) = sweep.outcomes(jobs)
    assert outcome.state == "diverged"
    assert trained.result(outcome) == (None, None, None)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("run 1/1 too_fast: diverged: ")
    message = json.loads((outcome.directory / "diverged.json").read_text())["message"]
    assert message in line


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_a_divergence(tmp_path, value):
    images = load_images("digits", "test", image_size=8)
    features = FeatureNetwork("mean", "0", lambda x: (tf.reduce_mean(x, [1, 2]), None))
    reference = reference_statistics(images, 10, features, cache_dir=tmp_path)
    with pytest.raises(Diverged, match="not finite"):
        measure_samples(lambda count: [np.full([10, 8, 8, 1], value)], 40, reference, features)


def test_only_inceptions_distance_is_an_fid(tmp_path):
    """Whatever --features is when the table is written again."""
    networks = {"inception": {"features": INCEPTION}, "digits": {"features": "digits"}, "old": {}}
    config = dataclasses.replace(CONFIG, features=INCEPTION)
    outcomes = {}
    for name, result in networks.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps(result))
        outcomes[name] = Outcome(Job(name, config), "complete", RunDirectory(tmp_path / name))
    assert trained.names([outcomes["digits"]]) == ("Fréchet distance", "classifier score")
    assert trained.names([outcomes["inception"], outcomes["old"]]) == ("FID", "IS")
    assert trained.names(outcomes.values()) == trained.OWN
    diverged = outcomes["digits"]._replace(state="diverged")
    assert trained.names([outcomes["inception"], diverged]) == ("FID", "IS")


def test_a_table_of_distances_of_few_images_says_so(tmp_path):
    row = {
        **{"step": 3, "frechet_distance": 1.0, "feature_count": 64, "generated": "samples"},
        **{"generated_count": 40, "reference": "digits test", "reference_count": 360},
    }
    for name, changes in {"few": {}, "enough": {"generated_count": 64}, "old": None}.items():
        (tmp_path / name).mkdir()
        if changes is None:  # of before features were counted
            row.pop("feature_count")
        (tmp_path / name / "result.json").write_text(json.dumps(row | (changes or {})))
    few, *others = (
        Outcome(Job(name, CONFIG), "complete", RunDirectory(tmp_path / name))
        for name in ("few", "enough", "old")
    )
    assert "40 images of samples are fewer than the 64 features" in trained.warnings([few, few])
    assert trained.warnings([few, few]).count("Warning") == 1
    assert trained.warnings(others) == ""
