"""The benchmark's bookkeeping; its figures are nobody's test."""

import keras
import pytest

import tfnorm
from tfnorm import benchmark
from tfnorm.training.program import UserError


def test_candidates_are_the_baseline_and_each_method_by_group_size():
    layers = benchmark.candidates(["cd", "unitization"], [4, 16, None], channels=8)
    assert list(layers) == ["bn", "cd 4", "cd full", "unitization"]
    assert isinstance(layers["bn"], keras.layers.BatchNormalization)
    assert layers["cd 4"].get_config()["group_size"] == 4
    assert isinstance(layers["unitization"], tfnorm.Unitization)


def test_figures_are_ratios_to_the_baseline_in_the_same_round(monkeypatch):
    ticks = iter([0, 2, 0, 6, 0, 3, 0, 12, 0, 20, 0, 60, 0, 10, 0, 20])  # start, end of each call
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: next(ticks))
    layers = {"bn": keras.layers.BatchNormalization(), "mine": tfnorm.CenterScale()}
    bn, mine = benchmark.benchmark((4, 3), layers, rounds=2)
    assert (bn["forward"], bn["forward_backward"]) == (1, 1)
    assert (bn["forward_ms"], bn["forward_backward_ms"]) == (11_000, 33_000)
    assert mine["forward"] == pytest.approx((3 / 2 + 10 / 20) / 2)
    assert mine["forward_backward"] == pytest.approx((12 / 6 + 20 / 60) / 2, abs=1e-3)
    assert mine["shape"] == [4, 3]


@pytest.mark.parametrize("texts", [["8", "x"], ["0"], [""]])
def test_what_is_not_a_number_is_refused(texts):
    with pytest.raises(UserError, match=f"--shapes .* Received: {'x'.join(texts)}"):
        benchmark._numbers("shapes", texts)
