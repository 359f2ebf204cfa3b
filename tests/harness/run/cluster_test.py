"""What TF_CONFIG may say: a cluster, or one line about what is amiss."""

import json

import pytest

from harness.errors import UserError
from harness.run.cluster import read_cluster

TWO = ["a:1", "b:2"]


def config(cluster, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("text", "addresses", "own"),
    [
        (config({"worker": TWO}), TWO, 0),
        (config({"worker": TWO}, index=1), TWO, 1),
        (config({"worker": TWO}, index="1"), TWO, 1),
        (config({"worker": TWO, "chief": ["c:3"]}, "chief"), ["c:3", *TWO], 0),
        (config({"worker": TWO, "chief": ["c:3"]}, index=1), ["c:3", *TWO], 2),
        (config({"worker": ["[::1]:22", "10.0.0.1:65535"]}), ["[::1]:22", "10.0.0.1:65535"], 0),
    ],
)
def test_the_chief_is_the_first(text, addresses, own):
    cluster = read_cluster({"TF_CONFIG": text})
    assert [task.address for task in cluster.tasks] == addresses
    assert cluster.own == own


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "needs the environment variable TF_CONFIG"),
        ("{'cluster': ", "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ("[]", "must have a `cluster` and a `task`"),
        ("{}", "must have a `cluster` and a `task`"),
        ('{"cluster": {"worker": ["a:1"]}}', "must have a `cluster` and a `task`"),
        ('{"cluster": ["a:1"], "task": {}}', "must have a `cluster` and a `task`"),
        (config({}), "must name the workers"),
        (config({"worker": []}), "a list of one HOST:PORT or more as `cluster`: `worker`"),
        (config({"worker": "a:1"}), "a list of one HOST:PORT or more as `cluster`: `worker`"),
        (config({"worker": ["a"]}), "HOST:PORT, with a port from 1 to 65535; not 'a'"),
        (config({"worker": ["a:"]}), "a port from 1 to 65535; not 'a:'"),
        (config({"worker": ["a:0"]}), "a port from 1 to 65535; not 'a:0'"),
        (config({"worker": ["a:65536"]}), "a port from 1 to 65535; not 'a:65536'"),
        (config({"worker": ["http://a:1"]}), "HOST:PORT, with a port"),
        (config({"worker": ["::1:22"]}), "HOST:PORT, with a port"),
        (config({"worker": [1]}), "HOST:PORT, with a port from 1 to 65535; not 1"),
        (config({"worker": ["a:1", "a:1"]}), "an address of its own; a:1 is there twice"),
        (config({"worker": ["a:1"], "chief": ["a:1"]}), "a:1 is there twice"),
        (config({"chief": TWO}, "chief"), "one chief at most"),
        (config({"worker": TWO, "ps": ["c:3"]}), "of type worker, and one chief; not 'ps'"),
        (config({"worker": TWO}, "ps"), "worker or chief as `task`: `type`; not 'ps'"),
        (config({"worker": TWO}, None), "worker or chief as `task`: `type`; not None"),
        (config({"worker": TWO}, "chief"), "of chief there are 0, and `index` 0"),
        (config({"worker": TWO}, index=2), "of worker there are 2, and `index` 2"),
        (config({"worker": TWO}, index=-1), "and `index` -1 is not among them"),
        (config({"worker": TWO}, index=None), "a number from 0 as `task`: `index`; not None"),
        (config({"worker": TWO}, index=True), "a number from 0 as `task`: `index`; not True"),
        (config({"worker": TWO}, index="one"), "a number from 0 as `task`: `index`; not 'one'"),
    ],
)
def test_what_is_amiss_is_one_line(text, rule):
    with pytest.raises(UserError) as caught:
        read_cluster({"TF_CONFIG": text})
    said = str(caught.value)
    assert rule in said and "\n" not in said and len(said) < 800
    assert said.partition("Received: ")[2].startswith(f"TF_CONFIG={text[:100]}" if text else "TF_")


def test_a_variable_that_is_not_there_is_named():
    with pytest.raises(UserError, match="--strategy=multi_worker needs .* Received: no TF_CONFIG"):
        read_cluster({})


def test_tasks_have_names():
    workers = read_cluster({"TF_CONFIG": config({"worker": ["a:1", "b:2", "c:3", "d:4"]})})
    assert workers.waiting([3, 1]) == "Waiting for workers 1, 3 of 4 at b:2, d:4."
    with_chief = read_cluster({"TF_CONFIG": config({"worker": TWO, "chief": ["c:3"]})})
    assert with_chief.named([0, 2]) == "the chief and worker 1"
    assert with_chief.which(0) == "The chief of 3"
