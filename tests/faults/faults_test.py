"""The short form of `kills`, `disks` and `damage`: one fault of each kind, of small runs.

That of other programs' kills takes too long for a test, and is a stage of `.ci/run`.
"""

import signal

import pytest

from tests.faults import table
from tests.faults.damage import GOES_ON, damage
from tests.faults.disks import LIMIT, disks
from tests.faults.kills import CHECKPOINT, kills
from tests.faults.runs import Program
from tests.faults.works import losses

SMALL = Program(
    "classify.train",
    (
        *("--preset=quickstart", "--deterministic", "--norm=bn", "--width=8", "--depth=1"),
        *("--steps=12", "--log_every=2", "--checkpoint_every=2", "--eval_every=6"),
    ),
    ("model",),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


def test_a_run_survives_being_killed(call, folder):
    tally = kills(SMALL, call, folder, 2, moments=[CHECKPOINT])
    assert (tally.lost, tally.tried) == ([], 2)


@pytest.mark.parametrize(
    ("after", "amiss"),
    [
        ({"a": b"1", "m/saved_model.pb": None, "m/x": b"3"}, []),
        ({"a": b"1"}, []),
        ({"m/saved_model.pb": None, "m/x": b"3"}, ["a is lost"]),
        ({"a": b"2"}, ["a is not whole"]),
        ({"a": b"1", "b": b""}, ["b is there"]),
        ({"a": b"1", "m/saved_model.pb": None}, ["m/ is not whole"]),
    ],
)
def test_what_is_amiss_of_results(after, amiss):
    whole = {"a": b"1", "m/saved_model.pb": None, "m/x": b"3"}
    assert losses({"a": b"1"}, after, whole) == amiss


def test_a_run_survives_a_full_disk(call, folder):
    tally = disks(SMALL, call, folder, 1, [LIMIT])
    assert (tally.lost, tally.tried) == ([], 1)


def test_a_run_survives_damage(call, folder):
    tally = damage(SMALL, call, folder, lambda name: name == "config.json", [GOES_ON], ["halved"])
    assert (tally.lost, tally.tried) == ([], 1)


def test_what_was_lost_is_told(capsys):
    tally = table.Tally()
    tally.survive((signal.SIGINT.name, "b"))
    tally.survive((signal.SIGINT.name, "b"), "said so")
    tally.lose((signal.SIGINT.name, "a"), "weights")
    tally.print(("signal", "moment"))
    assert capsys.readouterr().out.splitlines() == [
        "| signal | moment | tried | survived | lost |",
        "| --- | --- | --- | --- | --- |",
        "| SIGINT | a | 1 | 0 | 1 |",
        "| SIGINT | b | 2 | 2 (1 said so) | nothing |",
    ]
