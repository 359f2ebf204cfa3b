"""What is timed beside a counterpart: that both compute the same thing, or stand in one place."""

import keras
import numpy as np
import pytest

import tfnorm
from tfnorm.benchmark import pairs, table, timing
from tfnorm.benchmark.pairs import PAIRS, benchmark_pairs

SMALL = {
    "covariance_pooling": (2, 3, 3, 4),
    "group_whitening": (2, 3, 3, 16),
    "whitening": (9, 4),
    "domain": (4, 3, 3, 16),
    "mixed_domains": (4, 3, 3, 16),
}
FUNCTIONS = sorted(PAIRS.keys() - SMALL.keys())
SHAPES = SMALL | dict.fromkeys(FUNCTIONS, (3, 4, 4))


def test_every_pair_can_be_timed():
    rows = benchmark_pairs(PAIRS, rounds=1, shapes=SHAPES)
    assert [(row["pair"], row["kind"]) for row in rows] == [
        (name, kind) for name, pair in PAIRS.items() for kind in pair.kinds
    ]
    for row in rows:
        assert row["ratio"] > 0.0 and tuple(row["shape"]) == SHAPES[row["pair"]]


def test_what_is_between_no_layers_is_in_a_pair():
    made = {type(pair.make()) for pair in PAIRS.values()}
    assert {tfnorm.CovariancePooling, tfnorm.Whitening, tfnorm.GroupWhitening} <= made


def test_the_layers_of_domains_have_them():
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(90, 16)).astype("float32")
    x[::2] *= 4.0
    moved = {}
    for name in ("domain", "mixed_domains"):
        layer = PAIRS[name].make()
        y = layer(x, training=True).numpy()
        moved[name] = np.any(layer.whitening.moving_mean.numpy(), 1).tolist()
        is_whole = np.allclose(y[::2].std(0), y[1::2].std(0), rtol=0.1)
        assert is_whole == (name == "mixed_domains")
    assert moved == {"domain": [True, False], "mixed_domains": [True, True]}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_their_counterparts_agree(name):
    pair = PAIRS[name]
    matrices = pair.draw((3, 4, 4))
    own, other = pair.make()(matrices), pair.make_counterpart()(matrices)
    # Of five steps Newton's iteration is so near.
    tolerance = 0.05 if "newton" in name else 1e-4
    np.testing.assert_allclose(own, other, rtol=tolerance, atol=tolerance)


def test_a_layer_is_served_as_adapted_to_the_input():
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(50, 3)).astype("float32")
    for layer in (tfnorm.Whitening(), keras.layers.Normalization()):
        call = pairs._call("inference", layer, keras.ops.convert_to_tensor(x))
        y = call().numpy()
        np.testing.assert_allclose(y.mean(0), 0.0, atol=1e-4)
        np.testing.assert_allclose(y.std(0), 1.0, atol=1e-3)


def test_figures_are_ratios_to_the_counterpart_in_the_same_round(monkeypatch):
    seconds = [[2.0, 6.0, 9.0], [4.0, 3.0, 3.0]]
    monkeypatch.setattr(
        timing, "interleaved", lambda calls, _: dict(zip(calls, seconds * 2, strict=True))
    )
    row, _ = benchmark_pairs(["sqrt"], rounds=3, shapes=SHAPES)
    assert (row["pair"], row["counterpart"], row["kind"]) == ("sqrt", "tf.linalg.sqrtm", "forward")
    assert row["ratio"] == 2.0 and row["range"] == pytest.approx([0.8, 2.8])
    assert (row["ms"], row["counterpart_ms"]) == (6000.0, 3000.0)
    line = table.pair_line(row)
    assert line.split()[-5:] == ["forward", "2.00", "(0.80-2.80)", "6000.00", "3000.00"]
    assert "3x4x4" in line and len(line) == len(table.PAIRS_HEAD)
