"""A generator is trained by two processes together."""

import json

from tests import two_workers

FLAGS = [
    "--preset=quickstart",
    "--image_size=28",
    "--generator_filters=8",
    "--discriminator_filters=8",
    "--batch_size=8",
    "--steps=40",
    "--log_every=5",
    "--checkpoint_every=10",
    "--eval_every=40",
    "--eval_samples=80",
]


def test_interrupted_together_and_resumed(call, tmp_path):
    run = tmp_path / "run"
    rows = two_workers.interrupted_and_resumed(call, "gan.train", FLAGS, run)
    assert [row["step"] for row in rows] == list(range(0, 41, 5))
    assert (run / "generator" / "saved_model.pb").exists()
    assert json.loads((run / "config.json").read_text())["strategy"] == "multi_worker"
