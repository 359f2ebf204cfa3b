"""A run's batches: images as they are stored, with noise where that is in whole numbers."""

import dataclasses
import json
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf

from gan import parts, run
from gan.presets import PRESETS
from gan.run import Run
from harness.datasets import Images
from harness.errors import UserError
from harness.figures.pictures import write_png
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


@pytest.mark.parametrize("score", [None, 2.5])
def test_curves_are_of_all_that_was_computed(tmp_path, monkeypatch, score):
    """Without logits there is no score, and no empty panel of it; grids are from all of the run."""
    drawn = {}
    monkeypatch.setattr(
        run, "write_curves", lambda path, rows, panels, **kw: drawn.update(kw, p=panels)
    )
    (tmp_path / "samples").mkdir()
    for step in range(0, 700, 100):
        write_png(tmp_path / f"samples/{step:07d}.png", np.zeros((2, 2, 3), np.uint8))
    run._draw_curves(tmp_path, [{"step": 1, "frechet_distance": 3.0, "inception_score": score}])
    shown = ["discriminator_loss", "generator_loss", "frechet_distance"]
    assert sum(drawn["p"].values(), []) == [*shown, *["inception_score"] * (score is not None)]
    assert drawn["smoothed"] == shown[:2]
    assert [title for title, _ in drawn["pictures"]] == [f"step {i}" for i in (0, 200, 400, 600)]


def test_what_samples_are_measured_against(tmp_path, capsys):
    digits = parts.splits(CONFIG)
    assert [images.split for images in digits] == ["train", "test"]
    assert capsys.readouterr().out == ""
    for name in ("train/1.png", "train/2.png"):
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(tf.io.encode_png(np.zeros((8, 8, 3), np.uint8)).numpy())
    config = dataclasses.replace(CONFIG, dataset="folder", data_dir=str(tmp_path), image_size=32)
    training, test = parts.splits(config)
    assert training is test and training.num_classes is None
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "Measured against the 2 training images of folder: no other split is there."
    chosen = parts.splits(dataclasses.replace(CONFIG, test_split="train"))
    assert [images.split for images in chosen] == ["train", "train"]
    with pytest.raises(UserError, match="has the splits .*Received: split='validation'"):
        parts.splits(dataclasses.replace(CONFIG, test_split="validation"))
    with pytest.raises(UserError, match="needs images with classes, .*conditional=projection"):
        parts.make_trainer(dataclasses.replace(config, conditional="projection"), None)
