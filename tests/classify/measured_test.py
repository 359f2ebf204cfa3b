"""Where the numbers of a run go, by what is measured and on which images."""

import dataclasses
import json

import pytest

from classify.measured import measure_run
from classify.presets import PRESETS
from classify.run import Run

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
