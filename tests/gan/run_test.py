"""A run's batches: images as they are stored, with noise where that is in whole numbers."""

import dataclasses
import json
import shutil
import types

import numpy as np
import pytest

from gan.presets import PRESETS
from gan.run import Run
from harness.datasets import Images
from harness.errors import UserError
from harness.run.identity import keep_data
from tests.sources import ROOT

CONFIG = dataclasses.replace(PRESETS["quickstart"], batch_size=4)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_noise_is_added_to_whole_numbers_alone(dtype):
    """Values in between are of resized images, and of the digits: they have no steps to fill."""
    pixels = np.full((8, 2, 2, 1), 51, dtype)
    run = Run(CONFIG)
    images = Images("flat", "train", pixels, np.zeros(8, np.int64), 1)
    run.parts = types.SimpleNamespace(training=images)
    run.session = types.SimpleNamespace(first=0)
    batch = next(run.batches())["images"].numpy()
    noise = batch - (51 / 127.5 - 1)
    if dtype == "float32":
        np.testing.assert_allclose(noise, 0, atol=1e-6)
    else:
        assert noise.min() >= -1e-6 and noise.max() <= 1 / 128 + 1e-6
        assert np.ptp(noise) > 1e-3


def test_a_run_goes_on_with_its_images_and_feature_network_wherever_they_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = dataclasses.replace(CONFIG, eval_samples=50, features="digits")
    run = Run(config, tmp_path / "run")
    run.prepare()
    run.directory.path.mkdir()
    run.directory.begin(config.settings(), config.free())
    shutil.copytree(ROOT / "gan/metrics/digits", tmp_path / "moved")
    moved = dataclasses.replace(config, features=str(tmp_path / "moved"))
    again = Run(moved, tmp_path / "run")
    again.directory.check(moved.settings(), moved.free())
    # Without data.json nothing tells what the network was, but for its name.
    with pytest.raises(UserError, match="another --features, .*moved, digits then"):
        again.prepare()
    keep_data(run.directory, run.facts)
    again.prepare()
    assert again.facts == run.facts
    for key, said in (("train_fingerprint", "train_fing"), ("features", "features: other then")):
        keep = dict(run.facts) | {key: "other"}
        (tmp_path / "run/data.json").write_text(json.dumps(keep))
        with pytest.raises(UserError, match=f"a run on other images .*{said}"):
            again.prepare()
