"""Two replicas with half of the batch each: as one device with all of it, or each for itself."""

import numpy as np
import pytest
import tensorflow as tf

from tests import two_workers
from tests.layers import two_replicas

# A process of its own: devices are set before TensorFlow does anything else.
PROGRAM = "import sys; from tests.layers import two_replicas; two_replicas.main(*sys.argv[1:])"
ROWS = ("0", "1")  # the output and the input's gradient have a row for each of the batch's

# What each process of a strategy finds in its environment.
ENVIRONMENTS = {"mirrored": lambda: [{}], "multi_worker": two_workers.environments}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def replicas_results(request, call, tmp_path_factory):
    """What `on_replicas` gives for both replicas, under one strategy and the other."""
    folder = tmp_path_factory.mktemp(request.param)
    workers = [
        call.start("-c", PROGRAM, folder / f"{i}.npz", request.param, **environment)
        for i, environment in enumerate(ENVIRONMENTS[request.param]())
    ]
    for code, _, error in map(call.finish, workers):
        assert code == 0, error
    parts = [dict(np.load(file)) for file in sorted(folder.iterdir())]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def on_one_device(make, part=slice(None)):
    """What `on_replicas` gives for one replica, in this process, of a part of each batch."""
    layer = two_replicas.set_up(make)
    steps = [
        [
            value.numpy()
            for value in two_replicas.training_step(layer, tf.constant(x[part]), dy[part])
        ]
        for x, dy in zip(*two_replicas.batches(), strict=True)
    ]
    result = {str(i): np.stack(values) for i, values in enumerate(zip(*steps, strict=True))}
    return result | {name: w.numpy() for name, w in two_replicas.moving_of(layer).items()}


def close(value, expected):
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", two_replicas.SYNCHRONIZED)
def test_synchronized_replicas_are_one_device(name, replicas_results):
    expected = on_one_device(two_replicas.SYNCHRONIZED[name])
    for what, value in expected.items():
        by_replica = replicas_results[f"{name}/{what}"]
        if what.startswith("moving"):
            for value_there in by_replica:
                close(value_there, value)
        elif what in ROWS:
            close(np.concatenate(by_replica, axis=1), value)
        else:
            # The weights' gradients are those of the replica's part, and the optimizer sums them.
            # They are sums over all rows, so that their size is that of a sum.
            size = np.abs(value).max()
            close(np.sum(by_replica, axis=0) / size, value / size)


@pytest.mark.parametrize("name", two_replicas.APART)
def test_other_replicas_are_layers_of_their_own_with_common_averages(name, replicas_results):
    first, second = (
        on_one_device(two_replicas.APART[name], part) for part in (slice(4), slice(4, 8))
    )
    for what in ROWS:
        close(replicas_results[f"{name}/{what}"], np.stack([first[what], second[what]]))
    for what in (what for what in first if what.startswith("moving")):
        on_first, on_second = replicas_results[f"{name}/{what}"]
        np.testing.assert_array_equal(on_first, on_second)
        # Averages are linear, so that the mean of each step's is the mean of the two layers'.
        close(on_first, (first[what] + second[what]) / 2)
        assert np.abs(first[what] - second[what]).max() > 1e-3
