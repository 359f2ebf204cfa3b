"""The network of the best evaluation: what is kept, and when a run stops."""

import keras
import numpy as np
import pytest

from classify.best import Best
from harness.errors import Diverged, UserError
from harness.run.directory import History, RunDirectory


@pytest.fixture
def evaluate(tmp_path):
    """Evaluates a network whose weights are a number; the history is what was recorded."""
    directory = RunDirectory(tmp_path)
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(2)])

    def evaluate(best, weight, accuracy, loss=1.0):
        model.set_weights([np.full_like(value, weight) for value in model.get_weights()])
        result = {"test_accuracy": accuracy, "test_loss": loss}
        assert best(result) is result

    evaluate.make = lambda: Best(model, directory, History(directory))
    evaluate.directory = directory
    return evaluate


def kept(evaluate):
    """The number that the weights of the kept network are."""
    model = keras.models.load_model(evaluate.directory / "best.keras")
    (number,) = np.unique(np.concatenate([value.ravel() for value in model.get_weights()]))
    return number


def test_the_best_is_kept_and_the_first_of_equals(evaluate):
    best, found = evaluate.make(), []
    for weight, accuracy in ((1, 0.0), (2, 0.5), (3, 0.25), (4, 0.5), (5, 0.75)):
        evaluate(best, weight, accuracy)
        found.append(kept(evaluate))
    assert found == [1, 2, 2, 2, 5]
    assert [path.name for path in evaluate.directory.path.iterdir()] == ["best.keras"]


def test_a_run_that_goes_on_knows_the_best_so_far(evaluate):
    evaluate(evaluate.make(), 1, 0.5)
    history = History(evaluate.directory)
    for step, values in enumerate([{"loss": 3.0}, {"test_accuracy": 0.5}, {"test_accuracy": 0.25}]):
        history.record(step, values)
    history.flush()
    best = evaluate.make()
    evaluate(best, 2, 0.375)
    assert kept(evaluate) == 1
    evaluate(best, 3, 0.625)
    assert kept(evaluate) == 3


@pytest.mark.parametrize("harm", ["flipped", "halved", "gone"])
def test_a_run_whose_best_network_is_damaged_keeps_the_best_from_there_on(evaluate, capsys, harm):
    evaluate(evaluate.make(), 1, 0.5)
    history = History(evaluate.directory)
    history.record(1, {"test_accuracy": 0.5})
    history.record(2, {"test_accuracy": "0.9"})
    history.flush()
    evaluate.make()
    assert capsys.readouterr().out == ""
    file = evaluate.directory / "best.keras"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()
    if harm != "gone":
        file.write_bytes(content if harm == "flipped" else content[: len(content) // 2])
    best = evaluate.make()
    assert f"{file} is damaged or gone" in capsys.readouterr().out
    evaluate(best, 2, 0.25)
    assert kept(evaluate) == 2


def test_a_full_disk_leaves_the_best_so_far(evaluate, small_files):
    best = evaluate.make()
    evaluate(best, 1, 0.5)
    with small_files(500), pytest.raises(UserError, match="best.keras cannot be written: File too"):
        evaluate(best, 2, 0.75)
    assert kept(evaluate) == 1
    assert [path.name for path in evaluate.directory.path.iterdir()] == ["best.keras"]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run(evaluate, loss):
    best = evaluate.make()
    evaluate(best, 1, 0.5)
    with pytest.raises(Diverged, match=f"The loss on test images is {loss}: the run stops"):
        evaluate(best, 2, 0.75, loss)
    assert kept(evaluate) == 1
