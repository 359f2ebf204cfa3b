"""Two replicas with half of the batch each: as one device with all of it, or each for itself."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import two_replicas

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the program of two replicas wrote."""
    path = tmp_path_factory.mktemp("replicas") / "found.npz"
    command = [sys.executable, "-m", "tests.layers.two_replicas", str(path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    with np.load(path) as values:
        return dict(values)


def on_one_device(make, part=slice(None)):
    """What `on_replicas` gives, in this process, for a part of each batch."""
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
def test_synchronized_replicas_are_one_device(name, found):
    expected = on_one_device(two_replicas.SYNCHRONIZED[name])
    for what, value in expected.items():
        if what.startswith("moving"):
            for of_replica in found[f"{name}/{what}"]:
                close(of_replica, value)
        else:
            # Gradients of weights are sums over all rows, so that their size is that of a sum.
            size = np.abs(value).max() if value.ndim == 2 else 1.0
            close(found[f"{name}/{what}"] / size, value / size)


@pytest.mark.parametrize("name", two_replicas.APART)
def test_other_replicas_are_layers_of_their_own_with_common_averages(name, found):
    first, second = (
        on_one_device(two_replicas.APART[name], part) for part in (slice(4), slice(4, 8))
    )
    for what in ("0", "1"):
        close(found[f"{name}/{what}"], np.concatenate([first[what], second[what]], axis=1))
    for what in (what for what in first if what.startswith("moving")):
        of_first, of_second = found[f"{name}/{what}"]
        np.testing.assert_array_equal(of_first, of_second)
        # Averages are linear, so that the mean of each step's is the mean of the two layers'.
        close(of_first, (first[what] + second[what]) / 2)
        assert np.abs(first[what] - second[what]).max() > 1e-3
