"""Two processes train together, leave together when one is told to, and go on together."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = [
    "--preset=quickstart",
    "--strategy=multi_worker",
    "--synchronized",
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


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def start(run, caches):
    """Both workers."""
    cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "gan.train", *FLAGS, f"--run_dir={run}"],
            cwd=ROOT,
            env=os.environ
            | {
                "TF_CONFIG": json.dumps(
                    {"cluster": cluster, "task": {"type": "worker", "index": i}}
                ),
                "XDG_CACHE_HOME": str(caches),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]


def finish(workers):
    """Exit codes, outputs and errors; kills both if one does not end."""
    try:
        said = [worker.communicate(timeout=240) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [worker.returncode for worker in workers], *zip(*said, strict=True)


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_interrupted_together_and_resumed(tmp_path):
    run = tmp_path / "run"
    workers = start(run, tmp_path)
    while not ((run / "metrics.jsonl").exists() and len(rows(run)) > 2):
        assert all(worker.poll() is None for worker in workers), finish(workers)
        time.sleep(0.05)
    workers[1].send_signal(signal.SIGTERM)
    codes, _, errors = finish(workers)
    assert codes == [1, 1], errors
    lines = [error.splitlines()[-1] for error in errors]
    assert lines[0].startswith("error: Interrupted at step")
    assert lines[0] == lines[1]
    codes, outputs, errors = finish(start(run, tmp_path))
    assert codes == [0, 0], errors
    assert "The run is complete" in outputs[0]
    assert outputs[1] == ""
    assert [row["step"] for row in rows(run)] == list(range(0, 41, 5))
    assert (run / "generator" / "saved_model.pb").exists()
    assert json.loads((run / "config.json").read_text())["strategy"] == "multi_worker"
