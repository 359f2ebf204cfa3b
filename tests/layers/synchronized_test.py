"""Two replicas with half of the batch each: as one device with all of it, or each for itself."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import two_replicas

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 300


def two_workers():
    """TF_CONFIG of two processes on this machine, at ports that are free."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{each.getsockname()[1]}" for each in (first, second)]
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    configs = [{"cluster": {"worker": workers}, "task": task} for task in tasks]
    return [{"TF_CONFIG": json.dumps(config)} for config in configs]


# What each process of a strategy finds in its environment.
ENVIRONMENTS = {"mirrored": lambda: [{}], "multi_worker": two_workers}


def run_together(command, environments, folder):
    """Runs a process per environment, and kills them all when one of them fails or time is up."""
    logs = [folder / f"{i}.log" for i in range(len(environments))]
    processes = []
    with contextlib.ExitStack() as stack:
        for environment, path in zip(environments, logs, strict=True):
            log = stack.enter_context(path.open("w"))
            process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | environment, stdout=log, stderr=log
            )
            stack.callback(process.kill)
            processes.append(process)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            codes = [process.poll() for process in processes]
            if any(codes) or None not in codes:
                break
            time.sleep(0.1)
    assert not any(process.wait() for process in processes), "\n".join(map(read_end, logs))


def read_end(path):
    return path.read_text("utf-8", "replace")[-5000:]


def test_no_process_outlives_one_that_fails(tmp_path):
    program = "import os, time; os.environ['FAILS'] == 'yes' and exit('it failed'); time.sleep(99)"
    start = time.monotonic()
    with pytest.raises(AssertionError, match="it failed"):
        run_together([sys.executable, "-c", program], [{"FAILS": "no"}, {"FAILS": "yes"}], tmp_path)
    assert time.monotonic() - start < 50


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def found(request, tmp_path_factory):
    """What the program of two replicas wrote, under one strategy and the other."""
    folder = tmp_path_factory.mktemp(request.param)
    path = folder / "found.npz"
    command = [sys.executable, "-m", "tests.layers.two_replicas", str(path), request.param]
    run_together(command, ENVIRONMENTS[request.param](), folder)
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
