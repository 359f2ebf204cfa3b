"""A classifier is trained by two processes together."""

import re

from harness.run.checkpoints import last_written
from tests import two_workers

FLAGS = [
    "--preset=quickstart",
    "--width=8",
    "--depth=1",
    "--group_size=4",
    "--batch_size=16",
    "--steps=150",
    "--log_every=5",
    "--checkpoint_every=10",
    "--eval_every=75",
]


def test_interrupted_together_and_resumed(call, tmp_path):
    run = tmp_path / "run"
    rows = two_workers.interrupted_and_resumed(call, "classify.train", FLAGS, run)
    assert [row["step"] for row in rows] == list(range(0, 151, 5))
    assert [row["step"] for row in rows if "test_accuracy" in row] == [0, 75, 150]
    assert {"model", "best.keras", "curves.png"} <= {path.name for path in run.iterdir()}


def test_a_difference_and_a_lost_worker_are_one_line(call, tmp_path):
    run = tmp_path / "run"
    flags = [*FLAGS, "--steps=100000"]
    first, second, lost = two_workers.different_and_lost(
        call, "classify.train", flags, run, "--learning_rate=0.25"
    )
    assert first == second
    assert first.endswith("Received: learning_rate: 0.5 on worker 0, 0.25 on worker 1")
    assert re.match(r"error: Worker 1 of 2 \(\S+\) is lost: its process has ended\. ", lost)
    step = last_written(run / "checkpoints")
    assert f"goes on from step {step}, the last checkpoint in {run};" in lost
