"""The earth mover's distance between two states of a model, at any of its layers."""

import collections.abc
import dataclasses
import importlib.util
import typing

import keras
import numpy as np

from tfnorm.analysis import checks
from tfnorm.analysis.checks import SamplePair, Samples
from tfnorm.analysis.critic_distance import ClippedCritic, PenalizedCritic
from tfnorm.analysis.exact import exact_distance
from tfnorm.analysis.layer_outputs import check_model, layer_outputs, layer_tensors
from tfnorm.analysis.sliced import sliced_distance


class Estimator(typing.Protocol):
    """An estimate of the distance of two distributions from samples of each.

    ```python
    from tfnorm.analysis.em_distance import layer_distances

    class MeanDistance:
        trains = False

        def __call__(self, training, test):
            x, y = test
            return float(np.linalg.norm(np.mean(x, 0) - np.mean(y, 0)))

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="first")])
    x = np.random.normal(size=(100, 8))
    (row,) = layer_distances(model, model, ["first"], x, estimators={"mean": MeanDistance()})
    assert row.distance == 0
    ```

    Attributes:
        trains: whether it looks at `training`.
    """

    @property
    def trains(self) -> bool: ...

    def __call__(self, training: SamplePair, test: SamplePair) -> float:
        """Returns the distance, for `(x, y)` to train on and other `(x, y)` to estimate on."""
        ...


# By name, as the rows of `layer_distances` have it.
Estimators = collections.abc.Mapping[str, Estimator]


@dataclasses.dataclass(frozen=True)
class SlicedDistance:
    """`sliced.sliced_distance` of the test samples, as an estimator.

    ```python
    from tfnorm.analysis.em_distance import SlicedDistance

    x = np.random.normal(size=(100, 4))
    distance = SlicedDistance()(training=None, test=(x + [2, 0, 0, 0], x))
    assert np.isclose(distance, 2, rtol=0.1)
    ```
    """

    projections: int = 1000
    seed: int = 0

    @property
    def trains(self) -> bool:
        return False

    def __post_init__(self) -> None:
        checks.positive_integer("projections", self.projections)

    def __call__(self, training: SamplePair, test: SamplePair) -> float:
        x, y = test
        return sliced_distance(x, y, self.projections, self.seed)


@dataclasses.dataclass(frozen=True)
class ExactDistance:
    """`exact.exact_distance` of some of the test samples, from first to last, as an estimator.

    It is that of the samples themselves, which for independent ones is above W of their
    distributions, by much in many dimensions: the null shows by how much. It needs SciPy.

    ```python
    from tfnorm.analysis.em_distance import ExactDistance

    x = np.random.normal(size=(100, 4))
    distance = ExactDistance()(training=None, test=(x + [2, 0, 0, 0], x))
    assert np.isclose(distance, 2)
    ```
    """

    samples: int = 500

    @property
    def trains(self) -> bool:
        return False

    def __post_init__(self) -> None:
        checks.positive_integer("samples", self.samples)
        if importlib.util.find_spec("scipy") is None:
            raise ImportError("Exact distances need SciPy: pip install tfnorm[experiments]")

    def __call__(self, training: SamplePair, test: SamplePair) -> float:
        x, y = checks.indexed_pair(*test)
        count = min(self.samples, len(x), len(y))
        return exact_distance(_spread_rows(x, count), _spread_rows(y, count))


def _spread_rows(samples: Samples, count: int) -> np.ndarray:
    """Some samples, from first to last at equal steps, flat: (count, d)."""
    rows = np.linspace(0, len(samples) - 1, count).round().astype(int)
    return samples[rows].reshape(count, -1)


# By name, what makes an estimator.
ESTIMATORS: dict[str, collections.abc.Callable[..., Estimator]] = {
    "clipped": ClippedCritic,
    "penalized": PenalizedCritic,
    "sliced": SlicedDistance,
    "exact": ExactDistance,
}


class LayerDistance(typing.NamedTuple):
    """A row of `layer_distances`.

    ```python
    from tfnorm.analysis.em_distance import LayerDistance

    row = LayerDistance(layer="norm5", estimator="sliced", distance=3.0, null=0.1)
    assert row.distance > row.null
    ```

    Attributes:
        layer, estimator: their names.
        distance: the estimate of how far the layer's outputs are in the two states.
        null: the same estimate where there is no shift.
    """

    layer: str
    estimator: str
    distance: float
    null: float


def layer_distances(
    before: keras.Model,
    after: keras.Model,
    layers: collections.abc.Sequence[str],
    test: typing.Any,
    training: typing.Any = None,
    estimators: Estimators | None = None,
    *,
    batch_size: int = 256,
    memory: int = 2**32,
    seed: int = 0,
) -> list[LayerDistance]:
    """Measures how far the distributions of layers' outputs are in two states of a model.

    That is internal covariate shift between the two, as Huang and Yu measure it. Both states see
    the same samples, in inference. The null is one draw of what sampling makes where there is no
    shift: the same estimate of the second state's outputs for one half of the samples against
    those for the other, chosen at random. Critics' nulls are around zero, of either sign; sliced
    and exact distances are never negative, and theirs say how far samples that have nothing in
    common are from one another. The distance itself is of the same samples in both states, which
    have much in common: the exact one can be a shift below its null.

    Two states of one model are two models:

        before = keras.models.clone_model(model)
        before.set_weights(model.get_weights())
        ...  # more training
        rows = layer_distances(before, model, ["conv5", "norm5"], test_images, images)

    ```python
    from tfnorm.analysis.em_distance import SlicedDistance, layer_distances

    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="first")])
    before = keras.models.clone_model(model)
    before.set_weights(model.get_weights())
    model.layers[0].bias.assign_add([1.0, 0.0, 0.0, 0.0])  # in place of training
    test = np.random.normal(size=(100, 8))
    estimators = {"sliced": SlicedDistance()}
    (row,) = layer_distances(before, model, ["first"], test, estimators=estimators)
    assert np.isclose(row.distance, 1, atol=0.1)
    ```

    Args:
        before, after: functional or Sequential models, the earlier and the later state.
        layers: names of layers that both have, see `layer_outputs.layer_outputs`.
        test: samples that distances are estimated on: what the models take, an array (n, ...) or
            arrays in their inputs' structure.
        training: samples that critics are trained on, of the paper those of training without
            augmentation; None where no estimator trains.
        estimators: dict from a name to an estimator: one of `ESTIMATORS`, as `ClippedCritic()`, or
            any `Estimator`. None: each of `ESTIMATORS` as it is but for exact, and but for critics
            if `training` is None.
        batch_size: samples that a model is given at once.
        memory: bytes that the outputs may take in memory, of both states, all layers and all
            samples together; more are on the disk, see `layer_outputs.layer_outputs`.
        seed: of the halves.

    Returns:
        A list of `LayerDistance`, in the order of layers, then estimators.
    """
    chosen = chosen_estimators(estimators, training)
    _check_alike(before, after, layers)
    trains = any(estimator.trains for estimator in chosen.values())
    samples = [test, training] if trains else [test]
    counts = [len(keras.tree.flatten(arrays)[0]) for arrays in samples]
    if min(counts) < 2:
        raise ValueError(
            "There must be at least 2 samples, as the null compares one half of them with the "
            f"other. Received: {min(counts)}"
        )

    def outputs(model, arrays, count):
        share = memory * count // (2 * sum(counts))
        return layer_outputs(model, layers, arrays, batch_size=batch_size, memory=share)

    # Of test samples, then of training samples, if any.
    states = [
        (outputs(before, arrays, count), outputs(after, arrays, count))
        for arrays, count in zip(samples, counts, strict=True)
    ]
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(count), 2) for count in counts]
    rows = []
    for layer in layers:
        # The later state first.
        pairs: list[SamplePair] = [(later[layer], earlier[layer]) for earlier, later in states]
        null_pairs: list[SamplePair] = [
            (_Rows(later[layer], half), _Rows(later[layer], other_half))
            for (_, later), (half, other_half) in zip(states, halves, strict=True)
        ]
        for name, estimator in chosen.items():
            distance, null = (
                estimator(pairs[-1], pairs[0]),
                estimator(null_pairs[-1], null_pairs[0]),
            )
            rows.append(LayerDistance(layer, name, distance, null))
    return rows


def chosen_estimators(estimators: Estimators | None, training: typing.Any) -> Estimators:
    """Returns the estimators that `layer_distances` takes, given these arguments of it."""
    if estimators is None:
        defaults = {name: make() for name, make in ESTIMATORS.items() if name != "exact"}
        return {
            name: estimator
            for name, estimator in defaults.items()
            if training is not None or not estimator.trains
        }
    if not estimators:
        raise ValueError(f"`estimators` must not be empty. Received: estimators={estimators}")
    if training is None and any(estimator.trains for estimator in estimators.values()):
        raise ValueError(
            "`training` must be given where an estimator trains. Received: training=None, "
            f"estimators={estimators}"
        )
    return estimators


def _check_alike(before, after, layers) -> None:
    check_model("before", before)
    check_model("after", after)
    tensors = zip(layers, layer_tensors(before, layers), layer_tensors(after, layers), strict=True)
    for name, first, second in tensors:
        if first.shape[1:] != second.shape[1:]:
            raise ValueError(
                "A layer must have one shape in both states. "
                f"Received: layer={name!r} with {first.shape[1:]} and {second.shape[1:]}"
            )


class _Rows:
    """Some rows of an array, which may be on the disk."""

    def __init__(self, array, rows):
        self._array, self._rows = array, rows
        self.shape = (len(rows), *array.shape[1:])

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, key):
        return self._array[self._rows[key]]
