"""Covariate shift measured in the course of a run, against the states that the run has kept."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from classify import presets
from classify.config import Config
from classify.covariate_shift import CovariateShift, _layers
from classify.models import make_model
from classify.run import Run
from classify.trainer import Trainer
from harness.datasets import EncodedImages
from harness.errors import Diverged, UserError
from tfnorm.analysis.exact import exact_distance

# An epoch is 10 steps: the run ends 4 steps into its third.
CONFIG = dataclasses.replace(
    presets.PRESETS["quickstart"],
    width=8,
    depth=2,
    group_size=4,
    train_size=320,
    batch_size=32,
    steps=24,
    log_every=1,
    checkpoint_every=5,
    keep_checkpoints=None,
    shift_estimators="exact,sliced",
    shift_layers="norm_2,norm_1",
    shift_samples=100,
)
LAYERS = ["norm_2", "norm_1"]


def prepare():
    """The `Parts` of a run that has not begun."""
    run = Run(CONFIG)
    run.prepare()
    return run.parts


def train(folder, config=CONFIG, run_class=Run):
    run_class(config, folder).train()
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def shifts(rows):
    found = {row["step"]: {k: v for k, v in row.items() if k.startswith("shift_")} for row in rows}
    return {step: values for step, values in found.items() if values}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shift") / "run"


@pytest.fixture(scope="module")
def rows(folder):
    return train(folder)


def test_values(folder, rows):
    found = shifts(rows)
    assert list(found) == [10, 20]
    parts = prepare()
    model, outputs = parts.trainer.model, {}
    images = parts.test.images[np.linspace(0, len(parts.test.labels) - 1, 100).round().astype(int)]
    for step in (0, 10, 20):
        if step:
            path = str(folder / "checkpoints" / f"ckpt-{step}")
            tf.train.Checkpoint(model=model).restore(path).expect_partial()
        layers = [model.get_layer(name).output for name in LAYERS]
        outputs[step] = keras.Model(model.inputs, layers)([parts.scaling(images)])
    for step, values in found.items():
        pairs = zip(outputs[step], outputs[step - 10], strict=True)
        expected = [exact_distance(x, y) for x, y in pairs]
        got = [values[f"shift_exact/{name}"] for name in LAYERS]
        np.testing.assert_allclose(got, expected, rtol=1e-4)
        for kind in ("exact", "exact_null", "sliced", "sliced_null"):
            own = [values[f"shift_{kind}/{name}"] for name in LAYERS]
            assert all(own)
            np.testing.assert_allclose(values[f"shift_{kind}"], np.mean(own))
        assert len(values) == 4 * 3


def test_files(folder, rows):
    steps = {int(path.stem.rpartition("-")[2]) for path in folder.glob("checkpoints/*.index")}
    assert steps == {5, 10, 15, 20, 24}
    assert (folder / "curves.png").exists()
    events = [str(path) for path in (folder / "events").iterdir()]
    tags = {
        value.tag
        for path in events
        for event in tf.compat.v1.train.summary_iterator(path)
        for value in event.summary.value
    }
    assert {"shift_exact", "shift_exact_null", "shift_sliced/norm_1"} <= tags


def test_training_is_as_without(rows, tmp_path):
    shift = {name: None for name in vars(CONFIG) if name.startswith("shift_")}
    plain = train(tmp_path / "run", dataclasses.replace(CONFIG, **shift))
    without = [{k: v for k, v in row.items() if not k.startswith("shift_")} for row in rows]
    assert plain == without and not shifts(plain)


def test_resumed(rows, tmp_path):
    """From a checkpoint in the middle of an epoch: the state before it is in the checkpoint."""

    class Killed(Exception):
        pass

    class Dies(Trainer):
        def step(self, step, batch):
            if step == 17:
                raise Killed
            return super().step(step, batch)

    class DyingRun(Run):
        trainer_class = Dies

    with pytest.raises(Killed):
        train(tmp_path / "run", run_class=DyingRun)
    found = shifts(train(tmp_path / "run"))
    assert list(found) == [10, 20]
    for step, expected in shifts(rows).items():
        for name, value in expected.items():
            np.testing.assert_allclose(found[step][name], value, rtol=1e-4, err_msg=name)


def sites(depth, **fields):
    config = Config(depth=depth, shift_estimators="sliced", **fields)
    model = make_model(config, (32, 32, 3), 10)
    return _layers(config, model)


def test_layers_of_the_paper():
    assert sites(110) == [
        "stage_2_block_12_norm_1",
        "stage_2_block_16_norm_2",
        "stage_3_block_3_norm_1",
        "stage_3_block_7_norm_2",
        "stage_3_block_12_norm_1",
        "stage_3_block_16_norm_2",
    ]
    assert sites(20) == [
        "stage_2_block_2_norm_2",
        "stage_2_block_3_norm_2",
        "stage_3_block_1_norm_1",
        "stage_3_block_2_norm_1",
        "stage_3_block_2_norm_2",
        "stage_3_block_3_norm_2",
    ]


def mistake(tmp_path, **fields):
    with pytest.raises(UserError) as error:
        train(tmp_path / "run", dataclasses.replace(CONFIG, **fields))
    assert not (tmp_path / "run").exists()  # nothing is begun
    return str(error.value)


def test_mistakes(tmp_path):
    for names in ("exact,slices", ""):
        with pytest.raises(ValueError, match="`shift_estimators` must be of clipped, penalized"):
            dataclasses.replace(CONFIG, shift_estimators=names)
    assert "Received: 'norms'; there are" in mistake(tmp_path, shift_layers="norms")
    with pytest.raises(UserError, match="name the layers to measure as --shift_layers"):
        sites(20, norm="none")
    with pytest.raises(ValueError, match="Received: shift_samples=1"):
        dataclasses.replace(CONFIG, shift_samples=1)
    with pytest.raises(ValueError, match="Received: shift_layers=norm_1, shift_estimators=None"):
        Config(shift_layers="norm_1")
    assert "shift_estimators=exact,sliced" in mistake(tmp_path, shift_rate=1e-3)
    assert "Received: shift_steps=3, shift" in mistake(tmp_path, shift_steps=3)
    assert "Received: 9 steps, 10 from one state" in mistake(tmp_path, steps=9)
    assert "Received: 24 steps, 25 from one state" in mistake(tmp_path, shift_every=25)
    with pytest.raises(ValueError, match="Received: shift_rate=-1"):
        dataclasses.replace(CONFIG, shift_rate=-1)
    with pytest.raises(ValueError, match="Received: keep_checkpoints=0"):
        dataclasses.replace(CONFIG, keep_checkpoints=0)


def encoded(count):
    return EncodedImages(
        "folder",
        "train",
        np.arange(count),
        count,
        3,
        lambda index: tf.strings.as_string(index),
        lambda index: f"file {index}",
    )


def test_images_of_files():
    """They are spread over the split, which may be ordered by class."""
    parts = prepare()._replace(training=encoded(9), test=encoded(1_000))
    shift = CovariateShift(dataclasses.replace(CONFIG, shift_samples=5), parts)
    test, training = shift._images
    np.testing.assert_array_equal(test.labels, [0, 250, 500, 749, 999])
    np.testing.assert_array_equal(training.labels, [0, 2, 4, 6, 8])
    assert test.encoded(tf.constant(3)).numpy() == b"749"
    assert test.describe(3) == "file 749"
    with pytest.raises(UserError, match="The 1,000 images of folder train are not held"):
        CovariateShift(dataclasses.replace(CONFIG, shift_samples=None), parts)


def test_not_finite():
    parts = prepare()
    shift = CovariateShift(CONFIG, parts)
    kernel = next(layer for layer in parts.trainer.model.layers if layer.weights).weights[0]
    kernel.assign(kernel * np.nan)
    with pytest.raises(Diverged, match="layer='norm_2'"):
        shift()
