"""Two processes train together, leave together when one is told to, and go on together."""

import json
import signal
import socket
import subprocess
import sys
import time

from tests.classify.calls import ROOT, environment

FLAGS = [
    "--preset=quickstart",
    "--strategy=multi_worker",
    "--synchronized",
    "--width=8",
    "--depth=1",
    "--group_size=4",
    "--batch_size=16",
    "--steps=150",
    "--log_every=5",
    "--checkpoint_every=10",
    "--eval_every=75",
]


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def start(run):
    """Both workers."""
    cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
    tasks = [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in range(2)]
    return [
        subprocess.Popen(
            [sys.executable, "-m", "classify.train", *FLAGS, f"--run_dir={run}"],
            cwd=ROOT,
            env=environment() | {"TF_CONFIG": json.dumps(task)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for task in tasks
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
    workers = start(run)
    while not ((run / "metrics.jsonl").exists() and len(rows(run)) > 2):
        assert all(worker.poll() is None for worker in workers), finish(workers)
        time.sleep(0.02)
    workers[1].send_signal(signal.SIGTERM)
    codes, _, errors = finish(workers)
    assert codes == [1, 1], errors
    lines = [error.splitlines()[-1] for error in errors]
    assert lines[0].startswith("error: Interrupted at step")
    assert lines[0] == lines[1]
    codes, outputs, errors = finish(start(run))
    assert codes == [0, 0], errors
    assert "The run is complete" in outputs[0]
    assert outputs[1] == ""
    assert [row["step"] for row in rows(run)] == list(range(0, 151, 5))
    assert [row["step"] for row in rows(run) if "test_accuracy" in row] == [0, 75, 150]
    assert {"model", "best.keras", "curves.png"} <= {path.name for path in run.iterdir()}
