"""Files from strangers: they run nothing, write nothing, and lead nowhere unless a user says so."""

import dataclasses
import json
import zipfile

import keras
import pytest
import tensorflow as tf

from classify.saved import best_network
from gan import presets, saved
from gan.metrics.features import load_features
from gan.metrics.network_inputs import Takes
from gan.metrics.sources import from_npz
from harness.errors import UserError


def _save_hostile(path, mark):
    """A `.keras` file whose Lambda writes a file when it is called, with its code in it."""
    name, image = str(mark), keras.Input([8, 8, 3])
    features = keras.layers.Lambda(
        lambda x: (open(name, "w").close(), x)[1],  # noqa: SIM115 - short enough for bytecode
        output_shape=(192,),
    )(keras.layers.Flatten()(image))
    keras.Model(image, features).save(path)
    mark.unlink(missing_ok=True)  # it ran when the model was made


@pytest.fixture
def hostile(tmp_path):
    mark = tmp_path / "ran"
    _save_hostile(tmp_path / "best.keras", mark)
    yield tmp_path / "best.keras"
    assert not mark.exists()


def test_a_keras_file_with_code_is_refused_as_features(hostile):
    with pytest.raises(UserError, match="Lambda.*unsafe|unsafe.*[Ll]ambda|safe_mode"):
        load_features(hostile)


def test_a_keras_file_with_code_is_refused_as_best_network(hostile):
    with pytest.raises(UserError, match="best.keras cannot be read.*([Ll]ambda|safe_mode)"):
        best_network(hostile.parent)


@pytest.mark.parametrize(
    "module, name", [("os", "system"), ("builtins", "eval"), ("keras.utils", "get_file")]
)
def test_a_keras_file_that_names_a_function_does_not_call_it(tmp_path, module, name):
    model = keras.Sequential([keras.Input([8, 8, 3]), keras.layers.Flatten()])
    model.save(tmp_path / "made.keras")
    called = tmp_path / "ran"
    layer = {
        "module": module,
        "class_name": "function" if name == "eval" else name,
        "config": name if name == "eval" else {"command": f"touch {called}"},
        "registered_name": name,
    }
    with zipfile.ZipFile(tmp_path / "made.keras") as made:
        parts = {part: made.read(part) for part in made.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1] = layer
    parts["config.json"] = json.dumps(config)
    with zipfile.ZipFile(tmp_path / "best.keras", "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
        archive.writestr("../outside.txt", "x")
        archive.writestr("assets/../../outside.txt", "x")
    before = {path.name for path in tmp_path.parent.iterdir()}
    for load in (load_features, lambda path: best_network(path.parent)):
        with pytest.raises(UserError, match="best.keras"):
            load(tmp_path / "best.keras")
    assert {path.name for path in tmp_path.iterdir()} == {"made.keras", "best.keras"}
    assert {path.name for path in tmp_path.parent.iterdir()} == before


@pytest.mark.filterwarnings("ignore:Skipping invalid path")
def test_names_in_an_archive_lead_nowhere(tmp_path):
    model = keras.Sequential([keras.Input([8, 8, 3]), keras.layers.Flatten()])
    path = tmp_path / "inside" / "best.keras"
    path.parent.mkdir()
    model.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../outside", "assets/../../outside", str(tmp_path / "absolute")):
            archive.writestr(name, "x")
    load_features(path, Takes(range="0:255"))
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["best.keras"]


def test_a_feature_network_outside_the_run_is_not_opened_by_its_configuration(tmp_path):
    config = dataclasses.replace(presets.PRESETS["quickstart"], features=str(tmp_path / "other"))
    (tmp_path / "run" / "inside").mkdir(parents=True)
    (tmp_path / "run" / "link").symlink_to(tmp_path)
    for features in ("other", "run/../other", "run/link/other", "run2"):
        config = dataclasses.replace(config, features=str(tmp_path / features))
        with pytest.raises(UserError, match="give --features, or --trust_config.*Received: feat"):
            saved.check_trust(tmp_path / "run", config)
    for features in ("digits", "tfgan_inception", str(tmp_path / "run" / "inside")):
        saved.check_trust(tmp_path / "run", dataclasses.replace(config, features=features))


def test_a_saved_model_is_a_program(tmp_path):
    """What SECURITY.md says: it is no safe file, and who loads it has to know whose it is."""

    class Writes(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], name="images")])
        def serve(self, images):
            tf.io.write_file(str(tmp_path / "written"), "x")
            return {"features": tf.reduce_mean(images, [1, 2])}

    module = Writes()
    tf.saved_model.save(module, str(tmp_path / "model"), {"serving_default": module.serve})
    load_features(tmp_path / "model")
    assert (tmp_path / "written").exists()


def test_nobody_is_advised_to_load_a_pickle(tmp_path):
    (tmp_path / "images.npz").write_text("no arrays")
    with pytest.raises(ValueError, match="is damaged, or no .npz file") as raised:
        from_npz(tmp_path / "images.npz")
    assert "allow_pickle" not in str(raised.value)
