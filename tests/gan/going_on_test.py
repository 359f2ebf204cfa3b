"""A run that goes on after its end, and one that starts with another's weights."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from gan.presets import PRESETS
from gan.run import Run
from harness.errors import UserError

CONFIG = dataclasses.replace(
    PRESETS["quickstart"],
    norm="bn",
    generator_filters=8,
    discriminator_filters=8,
    batch_size=8,
    image_size=28,
    steps=2,
    eval_samples=20,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("going_on")


@pytest.fixture(scope="module")
def source(folder):
    """A complete run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        Run(CONFIG, folder / "source").train()
        yield folder / "source"


def test_another_run_starts_with_its_weights(source, folder, capsys):
    config = dataclasses.replace(CONFIG, init_from=str(source), loss="least_squares", steps=1)
    Run(config, folder / "other").train()
    assert f"Starts with the weights of {source} after 2 steps." in capsys.readouterr().out
    samples = [folder / "other/samples/0000000.png", source / "samples/0000002.png"]
    first, last = (path.read_bytes() for path in samples)
    assert first == last != (source / "samples/0000000.png").read_bytes()


def test_an_average_starts_with_the_weights_too(source):
    run = Run(dataclasses.replace(CONFIG, ema_decay=0.5))
    run.prepare()
    trainer = run.parts.trainer
    run.start_from(str(source))
    for mean, weight in zip(trainer.average.weights, trainer.generator.weights, strict=True):
        np.testing.assert_array_equal(mean, weight)


def test_other_networks_are_refused(source, folder):
    wide = dataclasses.replace(CONFIG, init_from=str(source), generator_filters=16)
    with pytest.raises(UserError, match="cannot be read into these networks"):
        Run(wide, folder / "wide").train()
    assert not (folder / "wide").exists()
    other = dataclasses.replace(CONFIG, init_from=str(folder / "nowhere"))
    with pytest.raises(UserError, match="There is no run in .*nowhere"):
        Run(other, folder / "none").train()
    (folder / "classifier").mkdir()
    (folder / "classifier/config.json").write_text('{"dataset": "digits", "weight_decay": 0.1}')
    classifier = dataclasses.replace(CONFIG, init_from=str(folder / "classifier"))
    with pytest.raises(UserError, match="classifier is not the directory of a run of gan.train"):
        Run(classifier, folder / "none").train()
    more = dataclasses.replace(CONFIG, conditional="projection", init_from=str(source))
    with pytest.raises(UserError, match="of other networks|cannot be read into these"):
        Run(more, folder / "more").train()


def test_a_complete_run_whose_checkpoints_are_gone_does_not_begin_anew(source, folder):
    shutil.copytree(source, folder / "lost")
    shutil.rmtree(folder / "lost/checkpoints")
    before = {path: path.is_file() and path.read_bytes() for path in folder.glob("lost/**/*")}
    with pytest.raises(UserError, match="lost/checkpoints are gone"):
        Run(dataclasses.replace(CONFIG, steps=4), folder / "lost").train(lengthen=True)
    after = {path: path.is_file() and path.read_bytes() for path in folder.glob("lost/**/*")}
    assert after == before


def test_a_complete_run_goes_on(source, folder, capsys):
    longer = dataclasses.replace(CONFIG, steps=4)
    (source / "data.json").unlink()
    Run(longer, source).train(lengthen=True)
    out = capsys.readouterr().out
    assert f"{source}/data.json is not there, and written again." in out
    # Of 4 steps, half the rate of the start is left after 2: it was 0 at the end.
    assert f"where it is {CONFIG.learning_rate / 2:.3g} now" in out
    assert "generator/ is kept as generator-2/." in out
    rows = [json.loads(line) for line in (source / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "frechet_distance" in row] == [0, 2, 4]
    assert json.loads((source / "config.json").read_text())["steps"] == 4
    assert (source / "generator/saved_model.pb").exists()
