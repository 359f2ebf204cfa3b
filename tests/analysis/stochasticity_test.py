"""The disturbance against plain loops, and what it says of the methods."""

import itertools

import numpy as np
import pytest

from tests import reference
from tfnorm.analysis import stochasticity
from tfnorm.analysis.stochasticity import disturbance, method_disturbance
from tfnorm.functional import WHITENERS

RNG = np.random.default_rng(0)
EPSILON = 1e-3
METHODS = ("bn", *WHITENERS)
# The toy setting: 1000 points in 16 dimensions.
TOY = RNG.normal(size=(1000, 16)).astype("float32")
MIXED = TOY @ RNG.normal(size=(16, 16)).astype("float32")
WHITENINGS = [
    {"method": method, "group_size": size} for method in ("zca", "cd", "itn") for size in (None, 3)
]


def batch_norm(x):
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) / np.sqrt(x.var(axes) + EPSILON)


def spread(outputs):
    """The mean distance of a list of outputs from their mean, one by one."""
    mean = sum(outputs) / len(outputs)
    return sum(np.sqrt(np.sum((y - mean) ** 2)) for y in outputs) / len(outputs)


class Recorder:
    """A normalization that keeps the mini-batches it is given."""

    def __init__(self, normalize):
        self.normalize = normalize
        self.seen = []

    def __call__(self, x):
        self.seen.append(x)
        return self.normalize(x)


# The definition.


@pytest.mark.parametrize("shape", [(24, 3), (24, 2, 2, 3)], ids=["vectors", "maps"])
def test_of_all_samples_it_is_a_plain_loop_over_the_same_mini_batches(shape):
    data = RNG.normal(size=shape)
    recorder = Recorder(batch_norm)
    value = disturbance(recorder, data, 8, samples=24, batches=5)
    assert len(recorder.seen) == 5 * 3
    outputs = {x.tobytes(): [] for x in data}
    for batch in recorder.seen:
        for x, y in zip(batch, batch_norm(batch), strict=True):
            outputs[x.tobytes()].append(y)
    assert {len(samples) for samples in outputs.values()} == {5}
    expected = sum(spread(samples) for samples in outputs.values()) / 24
    np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [3, 4, 6])
def test_it_tends_to_the_mean_over_every_mini_batch(batch_size):
    data = RNG.normal(size=(7, 2))
    exact = []
    for k in range(7):
        others = [i for i in range(7) if i != k]
        batches = [[k, *rest] for rest in itertools.combinations(others, batch_size - 1)]
        exact.append(spread([batch_norm(data[batch])[0] for batch in batches]))
    value = disturbance(batch_norm, data, batch_size, samples=7, batches=3000)
    np.testing.assert_allclose(value, np.mean(exact), rtol=0.015)


def test_fewer_samples_are_a_random_part_and_need_fewer_mini_batches():
    recorder = Recorder(batch_norm)
    few = disturbance(recorder, MIXED, 50, samples=3, batches=40)
    assert 40 < len(recorder.seen) <= 3 * 40
    everything = disturbance(batch_norm, MIXED, 50, samples=1000, batches=40)
    np.testing.assert_allclose(few, everything, rtol=0.3)


def test_a_mini_batch_has_no_sample_twice_though_the_last_is_filled_up():
    recorder = Recorder(batch_norm)
    disturbance(recorder, TOY[:23], 5, samples=23, batches=4)
    assert len(recorder.seen) == 4 * 5
    assert {(len(x), len(np.unique(x, axis=0))) for x in recorder.seen} == {(5, 5)}


def test_no_disturbance_without_batch_statistics():
    def layer_norm(x):
        return (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)

    assert disturbance(layer_norm, TOY, 64) < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_no_disturbance_where_the_mini_batch_is_the_data(method):
    assert method_disturbance(method, MIXED[:100], 100, batches=3) == 0.0


def test_few_mini_batches_underestimate_by_their_mean():
    two, many = (disturbance(batch_norm, TOY, 64, batches=s) for s in (2, 400))
    np.testing.assert_allclose(two / many, np.sqrt(1 / 2), rtol=0.1)


def test_normalizers_divide_by_the_number_of_elements():
    maps = RNG.normal(size=(40, 2, 3, 4))
    by = {
        name: disturbance(batch_norm, maps, 8, batches=4, normalizer=name)
        for name in (None, "sqrt", "dimension")
    }
    assert by[None] == disturbance(batch_norm, maps, 8, batches=4)
    np.testing.assert_allclose(by["sqrt"], by[None] / np.sqrt(24))
    np.testing.assert_allclose(by["dimension"], by[None] / 24)


def test_the_seed_decides():
    first, again, other = (disturbance(batch_norm, TOY, 64, batches=5, seed=s) for s in (0, 0, 1))
    assert first == again != other


def test_an_output_that_is_not_finite_is_seen():
    assert np.isnan(disturbance(lambda x: np.nan * x, TOY, 64, batches=2))


# The methods.


def test_bn_against_numpy():
    data = MIXED.astype("float64")
    value = method_disturbance("bn", data, 32, batches=10)
    np.testing.assert_allclose(value, disturbance(batch_norm, data, 32, batches=10), rtol=1e-9)


@pytest.mark.parametrize("options", WHITENINGS, ids=lambda o: f"{o['method']}-{o['group_size']}")
def test_whitenings_against_numpy(options):
    data = MIXED[:, :7].astype("float64")
    value = method_disturbance(**options, data=data, batch_size=32, batches=10, epsilon=0.01)
    plain = disturbance(
        lambda x: reference.whiten(x, epsilon=0.01, **options), data, 32, batches=10
    )
    np.testing.assert_allclose(value, plain, rtol=1e-9)


def test_pca_is_the_library_s_up_to_signs():
    x = MIXED[:64].astype("float64")
    y = np.asarray(stochasticity.normalization("pca")(x))
    np.testing.assert_allclose(abs(y), abs(reference.whiten(x, method="pca")), rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_rows_of_pixels(method):
    rows = MIXED[:96, :4]
    normalize = stochasticity.normalization(method)
    maps = np.asarray(normalize(rows.reshape(8, 4, 3, 4)))
    np.testing.assert_array_equal(maps.reshape(96, 4), normalize(rows))


@pytest.mark.parametrize("data", [TOY, MIXED], ids=["white", "mixed"])
def test_the_order_of_methods(data):
    values = [
        method_disturbance(method, data, 64, batches=25)
        for method in ("bn", "itn", "zca", "cd", "pca")
    ]
    ratios = np.divide(values[1:], values[:-1])
    assert (ratios > 1.1).all(), values
    assert ratios[-1] > 2, values


@pytest.mark.parametrize("method", ["bn", "itn", "zca", "cd"])
def test_larger_batches_disturb_less_by_the_root_of_their_size(method):
    small, large = (method_disturbance(method, TOY, size, batches=20) for size in (40, 160))
    # 960 / 840: the share of the data that is not in the mini-batch.
    assert 0.8 < small / large / np.sqrt(4 * 960 / 840) < 1.3


def test_larger_batches_do_not_help_pca():
    small, large = (method_disturbance("pca", TOY, size, batches=20) for size in (40, 160))
    np.testing.assert_allclose(large, small, rtol=0.1)


@pytest.mark.parametrize("method", ["zca", "cd"])
def test_smaller_groups_disturb_less_down_to_bn(method):
    few = {"samples": 5, "batches": 20}
    values = [method_disturbance(method, TOY, 64, group_size=g, **few) for g in (1, 2, 4, 16)]
    assert (np.divide(values[1:], values[:-1]) > 1.02).all(), values
    np.testing.assert_allclose(values[0], method_disturbance("bn", TOY, 64, **few), rtol=1e-4)


def test_more_iterations_come_to_zca():
    values = [method_disturbance("itn", TOY, 64, iterations=t, batches=20) for t in (1, 3, 5, 12)]
    assert (np.divide(values[1:], values[:-1]) > 1.1).all(), values
    np.testing.assert_allclose(
        values[-1], method_disturbance("zca", TOY, 64, batches=20), rtol=1e-3
    )


def test_too_few_iterations_whiten_too_little_and_disturb_less_than_bn():
    data = RNG.normal(size=(1000, 128)).astype("float32")
    bn, itn = (method_disturbance(m, data, 250, batches=4) for m in ("bn", "itn"))
    assert itn < bn


# Errors.

BAD = [
    ({"batch_size": 0}, "Received: batch_size=0"),
    ({"batch_size": 1001}, "the 1000 samples of the data. Received: batch_size=1001"),
    ({"batch_size": 2.0}, "Received: batch_size=2.0"),
    ({"samples": 0}, "Received: samples=0"),
    ({"samples": 1001}, "Received: samples=1001"),
    ({"batches": 1}, "2 or more. Received: batches=1"),
    ({"normalizer": "max"}, "Received: normalizer='max'"),
    ({"data": TOY[0]}, r"Received: data.shape=\(16,\)"),
    ({"data": TOY[:0]}, r"Received: data.shape=\(0, 16\)"),
    ({"data": np.ones((4, 3), int)}, "data.dtype=int64"),
    ({"data": [[1.0], [np.nan]]}, "Received: 1 of 2 values are not"),
    ({"normalize": lambda x: x[:3]}, r"Received: y.shape=\(3, 16\) for batch_size=8"),
]


@pytest.mark.parametrize("change, message", BAD, ids=[message for _, message in BAD])
def test_errors(change, message):
    arguments = {"normalize": batch_norm, "data": TOY, "batch_size": 8, "batches": 2}
    with pytest.raises(ValueError, match=message):
        disturbance(**(arguments | change))


BAD_METHODS = [
    ({"method": "whiten"}, "Received: method='whiten'"),
    ({"group_size": 0}, "Received: group_size=0"),
    ({"iterations": 0}, "Received: iterations=0"),
    ({"epsilon": -1.0}, "Received: epsilon=-1.0"),
]


@pytest.mark.parametrize("change, message", BAD_METHODS, ids=[m for _, m in BAD_METHODS])
def test_errors_of_methods(change, message):
    with pytest.raises(ValueError, match=message):
        stochasticity.normalization(**change)
