"""Where the numbers of a run go, by what is measured and on which images."""

import dataclasses
import json

import numpy as np
import pytest

from classify.measured import _last_step, measure_run
from classify.presets import PRESETS
from classify.run import Run
from harness import sealed
from harness.errors import UserError

CONFIG = dataclasses.replace(PRESETS["quickstart"], width=8, depth=1, group_size=4)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """What a run leaves that has been evaluated, and is not complete."""
    folder = tmp_path_factory.mktemp("run")
    run = Run(CONFIG)
    run.prepare()
    (folder / "config.json").write_text(json.dumps(CONFIG.settings()))
    run.parts.trainer.model.save(folder / "best.keras")
    run.parts.scaling.save(folder / "scaling.npz")
    return folder


@pytest.mark.parametrize(
    ("changes", "name", "count"),
    [
        ({}, "evaluation_best", 360),
        ({"test_split": "train"}, "evaluation_best_digits_train", 1437),
    ],
)
def test_each_thing_that_is_measured_has_a_file(run_dir, tmp_path, capsys, changes, name, count):
    there = set(run_dir.iterdir())
    config = dataclasses.replace(CONFIG, **changes)
    measure_run(run_dir, "best", config, None)
    (file,) = set(run_dir.iterdir()) - there
    assert file.name == f"{name}.json"
    result = json.loads(file.read_text())
    assert result["images"] == count
    assert f"best.keras on {count} images of digits {config.test_split}:" in capsys.readouterr().out
    file.unlink()
    measure_run(run_dir, "best", config, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == result
    assert set(run_dir.iterdir()) == there
    file.symlink_to(tmp_path / "elsewhere.json")
    measure_run(run_dir, "best", config, None)
    assert json.loads((tmp_path / "elsewhere.json").read_text()) == result and file.is_symlink()
    file.unlink()


def test_the_images_of_a_run_are_not_replaced(run_dir, tmp_path):
    images = tmp_path / "images.npz"
    np.savez(images, images=np.zeros([9, 8, 8, 1], np.uint8))
    before = images.read_bytes()
    config = dataclasses.replace(CONFIG, dataset="array", data_dir=str(images))
    with pytest.raises(UserError, match="images.npz, which is of --data_dir="):
        measure_run(run_dir, "best", config, images)
    assert images.read_bytes() == before


def test_the_step_that_is_measured_is_the_runs_last(tmp_path):
    assert _last_step(tmp_path, dataclasses.replace(CONFIG, steps=7)) == 7
    epochs = dataclasses.replace(CONFIG, steps=None, epochs=2.5, batch_size=10)
    assert _last_step(tmp_path, epochs) is None  # nothing tells of how many images
    for count, step in (("100", 25), (100, 25), ("many", None), ("9" * 400, None)):
        sealed.write(tmp_path / "data.json", {"train_images": count})
        assert _last_step(tmp_path, epochs) == step
