"""The result of a job that trains."""

import json

import pytest

from harness import sealed
from harness.errors import UserError
from harness.experiments.experiment import Outcome
from harness.experiments.trained import PRODUCT, write_result
from harness.run.directory import RunDirectory


def test_the_last_row_is_the_result(tmp_path):
    rows = [{"step": 1, "value": 2.0}, {"step": 5, "value": 3.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_result(RunDirectory(tmp_path))
    assert sealed.read(tmp_path / PRODUCT) == rows[-1]


@pytest.mark.parametrize("content", ["", "{}", "[]", "3", "null", '{"value": 2.5}', "{"])
def test_a_damaged_result_is_one_line(tmp_path, content):
    (tmp_path / PRODUCT).write_text(content)
    outcome = Outcome(None, "complete", RunDirectory(tmp_path))
    with pytest.raises(UserError, match="result.json is damaged: .*. Remove it, and the same"):
        outcome.read(PRODUCT, "distance")


def test_a_complete_run_without_its_history_is_named(tmp_path):
    with pytest.raises(UserError, match="complete, but .*metrics.jsonl is empty"):
        write_result(RunDirectory(tmp_path))
    assert not (tmp_path / PRODUCT).exists()
