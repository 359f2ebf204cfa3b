"""Strategies by name."""

import json

import pytest
import tensorflow as tf

from harness.run import strategies


def test_default_is_one_replica_and_the_chief():
    strategy = strategies.make_strategy("default")
    assert strategy.num_replicas_in_sync == 1
    assert strategies.is_chief(strategy)


def test_mirrored_takes_every_logical_device():
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    strategy = strategies.make_strategy("mirrored")
    assert strategy.num_replicas_in_sync == len(devices)
    assert strategies.is_chief(strategy)


def test_an_unknown_one_is_refused():
    with pytest.raises(ValueError, match="Received: strategy='tpu'"):
        strategies.make_strategy("tpu")


@pytest.mark.parametrize(
    ("jobs", "kind", "index", "chief"),
    [
        ({"worker": ["a:1", "b:1"]}, "worker", 0, True),
        ({"worker": ["a:1", "b:1"]}, "worker", 1, False),
        ({"chief": ["c:1"], "worker": ["a:1"]}, "chief", 0, True),
        ({"chief": ["c:1"], "worker": ["a:1"]}, "worker", 0, False),
    ],
)
def test_one_process_of_a_cluster_is_the_chief(monkeypatch, jobs, kind, index, chief):
    task = {"type": kind, "index": index}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": jobs, "task": task}))

    class Strategy:
        cluster_resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()

    assert strategies.is_chief(Strategy()) is chief
