"""A classifier is trained by two processes together."""

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
