"""Runs that start with another's network, and parts of networks that are not trained."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from classify.presets import PRESETS
from classify.run import Run
from classify.trainer import freeze, take_weights
from harness.errors import UserError

CONFIG = dataclasses.replace(
    PRESETS["quickstart"], width=16, depth=2, group_size=4, steps=40, norm="bn"
)


def _rows(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "run"
    Run(CONFIG, path).train()
    return path


def test_a_run_starts_with_the_best_network_of_another(source, tmp_path, capsys):
    changes = {"init_from": str(source), "freeze": "dense_1,norm_1", "steps": 10}
    run = Run(dataclasses.replace(CONFIG, **changes), tmp_path / "run")
    run.train()
    assert "Starts with the best network" in capsys.readouterr().out
    best = max(row.get("test_accuracy", 0) for row in _rows(source))
    assert _rows(tmp_path / "run")[0]["test_accuracy"] == pytest.approx(best)
    network = keras.models.load_model(source / "best.keras")
    for layer in run.parts.trainer.model.layers:
        pairs = zip(layer.get_weights(), network.get_layer(layer.name).get_weights(), strict=True)
        changed = [not np.array_equal(*pair) for pair in pairs]
        assert not any(changed) if layer.name in ("dense_1", "norm_1") else all(changed), layer.name


def test_a_network_that_fits_in_no_layer_is_refused(source, tmp_path):
    other = dataclasses.replace(CONFIG, init_from=str(source), width=24, depth=3, group_size=4)
    run = Run(dataclasses.replace(other, dataset="digits", image_size=20), tmp_path / "run")
    with pytest.raises(UserError, match="No layer of this network has .*Received: init_from="):
        run.train()
    nowhere = dataclasses.replace(CONFIG, init_from=str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="There is no run in"):
        Run(nowhere, tmp_path / "run").train()


def _network(classes):
    image = keras.Input((4,))
    x = keras.layers.Dense(3, name="stem")(image)
    return keras.Model(image, keras.layers.Dense(classes, name="logits")(x))


def test_other_classes_have_a_new_layer():
    model, source = _network(5), _network(2)
    before = model.get_layer("logits").get_weights()
    assert take_weights(model, source) == (["stem"], ["logits"])
    for ours, theirs in zip(
        model.get_layer("stem").get_weights(), source.get_layer("stem").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(model.get_layer("logits").get_weights()[0], before[0])


def test_names_of_what_is_frozen():
    model = _network(2)
    freeze(model, ["st"])
    assert [layer.name for layer in model.layers if not layer.trainable] == ["stem"]
    for names, message in {
        ("stem", "trunk"): "as stem, logits. Received: 'trunk'",
        ("",): "Received: ''",
        ("stem", "logits"): "must leave a layer to train. Received: stem,logits",
    }.items():
        with pytest.raises(ValueError, match=message):
            freeze(_network(2), names)


def test_a_complete_run_goes_on(source, capsys):
    Run(dataclasses.replace(CONFIG, steps=50), source).train(lengthen=True)
    assert "complete at step 40, and goes on to step 50" in capsys.readouterr().out
    assert _rows(source)[-1]["step"] == 50
    assert {path.name for path in source.iterdir()} >= {"model", "model-40"}
    # The folded model may be asked for now, and is of no other network than the model.
    Run(dataclasses.replace(CONFIG, steps=60, fold=True), source).train(lengthen=True)
    assert {path.name for path in source.iterdir()} >= {"model", "model_folded", "model-50"}
    Run(dataclasses.replace(CONFIG, steps=70), source).train(lengthen=True)
    names = {path.name for path in source.iterdir()}
    assert {"model", "model-60", "model_folded-60"} <= names and "model_folded" not in names
