"""The earth mover's distance between two states of a model, at any of its layers."""

import dataclasses
import typing

import keras
import numpy as np

from tfnorm.analysis.critic_distance import ClippedCritic, PenalizedCritic
from tfnorm.analysis.exact import exact_distance
from tfnorm.analysis.layer_outputs import check_model, layer_outputs, layer_tensors
from tfnorm.analysis.sliced import sliced_distance


@dataclasses.dataclass(frozen=True)
class SlicedDistance:
    """`sliced.sliced_distance` of the test samples, as an estimator."""

    projections: int = 1000
    seed: int = 0
    trains: typing.ClassVar[bool] = False

    def __call__(self, training, test):
        return sliced_distance(*test, self.projections, self.seed)


@dataclasses.dataclass(frozen=True)
class ExactDistance:
    """`exact.exact_distance` of the first of the test samples, as an estimator.

    It is that of the samples themselves, which for independent ones is above W of their
    distributions, by much in many dimensions: the null shows by how much.
    """

    samples: int = 500
    trains: typing.ClassVar[bool] = False

    def __call__(self, training, test):
        rows = (np.asarray(each[: min(self.samples, len(each))]) for each in test)
        return exact_distance(*(each.reshape(len(each), -1) for each in rows))


# By name, what makes an estimator: `f(training, test) -> float`, see `ClippedCritic.__call__`.
ESTIMATORS = {
    "clipped": ClippedCritic,
    "penalized": PenalizedCritic,
    "sliced": SlicedDistance,
    "exact": ExactDistance,
}


class LayerDistance(typing.NamedTuple):
    """A row of `layer_distances`."""

    layer: str
    estimator: str
    distance: float
    null: float


def layer_distances(
    before,
    after,
    layers,
    test,
    training=None,
    estimators=None,
    *,
    batch_size=256,
    memory=2**32,
    seed=0,
):
    """How far the distributions of layers' outputs are in two states of a model.

    That is internal covariate shift between the two, as Huang and Yu measure it. Both states see
    the same samples, in inference. The null is the same estimate where there is no shift: of the
    second state's outputs for one half of the samples against those for the other, chosen at
    random. As its samples are half as many, and not the same on both sides, it is what chance
    makes at most: a distance above it is a shift, one below it may be one.

    Two states of one model are two models:

        before = keras.models.clone_model(model)
        before.set_weights(model.get_weights())
        ...  # more training
        rows = layer_distances(before, model, ["conv5", "norm5"], test_images, images)

    Args:
        before, after: functional or Sequential models, the earlier and the later state.
        layers: names of layers that both have, see `layer_outputs.layer_outputs`.
        test: samples that distances are estimated on: what the models take, an array (n, ...) or
            arrays in their inputs' structure.
        training: samples that critics are trained on, of the paper those of training without
            augmentation; None where no estimator trains.
        estimators: dict from a name to an estimator, as `ClippedCritic()`; None: one of each of
            `ESTIMATORS` as it is, of those that need no training if `training` is None.
        batch_size: samples that a model is given at once.
        memory: bytes that the outputs may take in memory, of both states, all layers and all
            samples together; more are on the disk, see `layer_outputs.layer_outputs`.
        seed: of the halves.

    Returns:
        A list of `LayerDistance`, in the order of layers, then estimators.
    """
    if estimators is None:
        estimators = {
            name: make()
            for name, make in ESTIMATORS.items()
            if training is not None or not make.trains
        }
    if not estimators:
        raise ValueError(f"`estimators` must not be empty. Received: estimators={estimators}")
    _check_alike(before, after, layers)
    trains = any(estimator.trains for estimator in estimators.values())
    if trains and training is None:
        raise ValueError(
            "`training` must be given where an estimator trains. Received: training=None, "
            f"estimators={estimators}"
        )
    samples = [test, training] if trains else [test]
    counts = [len(keras.tree.flatten(each)[0]) for each in samples]
    if min(counts) < 2:
        raise ValueError(f"There must be at least 2 samples to halve. Received: {min(counts)}")

    def outputs(model, chosen, count):
        share = memory * count // (2 * sum(counts))
        return layer_outputs(model, layers, chosen, batch_size=batch_size, memory=share)

    found = [
        [outputs(model, *each) for model in (before, after)]
        for each in zip(samples, counts, strict=True)
    ]
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(count), 2) for count in counts]
    rows = []
    for layer in layers:
        # Of test samples, then of training samples, if any: (x, y), the later state first.
        states = [(second[layer], first[layer]) for first, second in found]
        alike = [
            tuple(_Rows(second, half) for half in two)
            for (second, _), two in zip(states, halves, strict=True)
        ]
        for name, estimator in estimators.items():
            distance, null = (estimator(pairs[-1], pairs[0]) for pairs in (states, alike))
            rows.append(LayerDistance(layer, name, distance, null))
    return rows


def _check_alike(before, after, layers):
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
