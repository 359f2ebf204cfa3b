"""The disturbance of the layers of a run that has not been trained."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from classify import presets
from classify.experiments import disturbance, measured_layers
from classify.parts import prepare
from classify.saved import best_network
from harness import sealed
from harness.errors import UserError
from harness.experiments.experiment import Outcome
from harness.experiments.report import Report
from harness.run.directory import RunDirectory
from tests import reference
from tfnorm.analysis.conditioning import conditioning
from tfnorm.analysis.layer_stochasticity import layer_disturbances
from tfnorm.layers.sites import normalization_sites

SMALL = {"samples": 3, "batches": 4, "train_size": 60}
RUN = dataclasses.replace(
    presets.PRESETS["quickstart"],
    norm="zca",
    recovery="scale_shift",
    depth=2,
    width=12,
    group_size=8,
    batch_size=20,
)


def write_run(folder, config, change=lambda model: None):
    """What a run leaves of a network."""
    parts = prepare(config, tf.distribute.get_strategy())
    change(parts.trainer.model)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    parts.trainer.model.save(folder / "best.keras")
    parts.scaling.save(folder / "scaling.npz")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run whose layers have some gamma and beta."""

    def change(model):
        rng = np.random.default_rng(0)
        for site in normalization_sites(model):
            layer = model.get_layer(site.name)
            layer.gamma.assign(rng.uniform(0.5, 2.0, layer.gamma.shape))
            layer.beta.assign(rng.uniform(0.0, 0.5, layer.beta.shape))

    folder = tmp_path_factory.mktemp("layers") / "run"
    write_run(folder, RUN, change)
    return folder


def jobs(**options):
    return disturbance.jobs(disturbance.EXPERIMENT.request(**options))


def config(run_dir, **fields):
    (job,) = jobs(run_dir=str(run_dir), sweeps=["layers"], overrides=SMALL | fields)
    return job.config


@pytest.fixture(scope="module")
def outcome(run_dir):
    (job,) = jobs(run_dir=str(run_dir), sweeps=["layers"], overrides=SMALL)
    directory = RunDirectory(run_dir.parent / "layers")
    disturbance.carry_out(job.config, directory)
    return Outcome(job, "complete", directory)


def rows(outcome):
    return sealed.read(outcome.directory / disturbance.PRODUCT)["rows"]


def test_it_is_the_first_of_all(run_dir):
    names = [job.name for job in jobs(run_dir=str(run_dir))]
    assert names == ["layers", "dimension", "batch_size", "group_size", "iterations"]


def test_the_run_says_the_batch_size_and_the_flags_the_rest(run_dir):
    (small,) = jobs(scale="small", run_dir=str(run_dir), sweeps=["layers"])
    fields = ("dataset", "batch_size", "train_size", "samples", "batches", "normalizer")
    found = [getattr(small.config, name) for name in fields]
    assert found == ["digits", 20, 2000, 10, 20, "sqrt"]
    assert config(run_dir, batch_size=7).batch_size == 7


def test_the_numbers_are_the_librarys_on_scaled_training_images(outcome, run_dir):
    model, scaling = best_network(run_dir)
    training = prepare(RUN, tf.distribute.get_strategy()).training.images
    chosen = np.random.default_rng(0).permutation(len(training))[:60]
    images = np.asarray(scaling(training[chosen]))
    expected = layer_disturbances(model, images, 20, samples=3, batches=4)
    found = rows(outcome)
    assert len(found) == 2
    assert [(row["layer"], row["kind"], row["channels"]) for row in found] == [
        (name, "zca", channels) for name, _, channels, _ in expected
    ]
    values = [row["disturbance"] for row in found]
    np.testing.assert_allclose(values, [each.disturbance for each in expected], rtol=1e-5)
    assert {row["group_size"] for row in found} == {8}
    for row in found:
        layer = model.get_layer(row["layer"])
        x = keras.Model(model.inputs, layer.input)([images[:20]], training=False)
        options = {"method": "zca", "group_size": 8, "epsilon": layer.epsilon}
        groups = conditioning(reference.whiten(np.asarray(x, np.float64), **options), 8)
        for name in ("condition_number", "deviation"):
            worst = max(getattr(group, name) for group in groups)
            np.testing.assert_allclose(row[name], worst, rtol=1e-2)


def test_another_network_or_size_is_refused_but_not_another_place(outcome, run_dir):
    job, _, directory = outcome
    for fields in ({"network": "0"}, {"batch_size": 7}):
        other = dataclasses.asdict(job.config) | fields
        with pytest.raises(UserError, match=f"another configuration.*{next(iter(fields))}"):
            directory.check(other, disturbance.FREE)
    moved = dataclasses.asdict(job.config) | {"run_dir": "moved", "data_dir": "too"}
    directory.check(moved, disturbance.FREE)


def test_the_report_names_every_layer(outcome, tmp_path):
    found = rows(outcome)
    noisiest = max(found, key=lambda row: row["disturbance"])["layer"]
    assert disturbance.describe(outcome).startswith(f"2 layers, most of all {noisiest}: 0.")
    disturbance.report([outcome], Report(tmp_path, "disturbance", []))
    with open(tmp_path / "layers.csv", newline="") as file:
        lines = [list(line.values()) for line in csv.DictReader(file)]
    measures = ("disturbance", "condition_number", "deviation")
    assert lines == [
        [row["layer"], "ZCA", "12", "8", *(str(row[name]) for name in measures)] for row in found
    ]
    assert tf.io.decode_png((tmp_path / "layers.png").read_bytes()).shape[0] > 200


def test_images_that_are_read_one_by_one(tmp_path):
    """Where the mini-batch is all that are drawn nothing depends on it."""
    for split in ("train", "test"):
        for name, shade in (("cat", 40), ("dog", 90)):
            for i in range(3):
                path = tmp_path / "data" / split / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.random.default_rng(shade + i).integers(0, 255, (40, 36, 3), np.uint8)
                Image.fromarray(pixels).save(path)
    encoded = dataclasses.replace(
        RUN,
        norm="bn",
        group_size=None,
        dataset="folder",
        data_dir=str(tmp_path / "data"),
        image_size=8,
        augmentation="resized_crop_flip",
    )
    write_run(tmp_path / "run", encoded)
    found = {}
    for size in (3, 6):
        small = config(tmp_path / "run", batch_size=3, train_size=size)
        disturbance.carry_out(small, RunDirectory(tmp_path / str(size)))
        found[size] = sealed.read(tmp_path / str(size) / disturbance.PRODUCT)["rows"]
    assert {row["disturbance"] for row in found[3]} == {0.0}
    assert min(row["disturbance"] for row in found[6]) > 0


def test_a_batch_norm_is_of_all_channels(tmp_path):
    with_bn = dataclasses.replace(RUN, norm="bn", group_size=None)
    write_run(tmp_path / "run", with_bn)
    found = measured_layers.measure(config(tmp_path / "run"))
    assert [(row["kind"], row["group_size"]) for row in found] == [("bn", None)] * 2
    assert all(row["condition_number"] == row["overall"] for row in found)


def test_a_run_that_is_none_is_a_users_mistake(run_dir, tmp_path):
    with pytest.raises(UserError, match="There is no run in .*nowhere"):
        config(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text('{"dataset": "digits", "generator_filters": 8}')
    with pytest.raises(UserError, match="not the directory of a run of classify.train"):
        config(tmp_path)
    (tmp_path / "config.json").write_text((run_dir / "config.json").read_text())
    with pytest.raises(UserError, match="has not been evaluated. There is no .*best.keras"):
        config(tmp_path)
    (tmp_path / "best.keras").write_text("cut")
    with pytest.raises(UserError, match="best.keras cannot be read"):
        disturbance.carry_out(config(tmp_path), RunDirectory(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_mini_batch_of_more_than_the_images_is_a_users_mistake(run_dir, tmp_path):
    few = config(run_dir, train_size=10)
    with pytest.raises(UserError, match="the 10 samples of the data. Received: batch_size=20"):
        disturbance.carry_out(few, RunDirectory(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_network_without_normalization_is_a_users_mistake(tmp_path):
    write_run(tmp_path / "run", dataclasses.replace(RUN, norm="none", group_size=None))
    with pytest.raises(UserError, match="has no normalization layer"):
        measured_layers.measure(config(tmp_path / "run"))
