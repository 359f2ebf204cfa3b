"""Two processes that train together, leave together when one is told to, and go on together."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]


def interrupted_and_resumed(program, flags, run):
    """Trains in the directory `run`, tells one worker to leave, and goes on to the end.

    Args:
        program: a module, as `gan.train`.
        flags: its flags, with a line of losses at least five times.
        run: the run's directory.

    Returns:
        The rows of `metrics.jsonl`.
    """
    arguments = [
        program,
        *flags,
        "--strategy=multi_worker",
        "--synchronized",
        f"--run_dir={run}",
    ]
    workers = _start(arguments, run.parent)
    while not ((run / "metrics.jsonl").exists() and len(_rows(run)) > 2):
        assert all(worker.poll() is None for worker in workers), _finish(workers)
        time.sleep(0.02)
    workers[1].send_signal(signal.SIGTERM)
    codes, _, errors = _finish(workers)
    assert codes == [1, 1], errors
    lines = [error.splitlines()[-1] for error in errors]
    assert lines[0].startswith("error: Interrupted at step")
    assert lines[0] == lines[1]
    codes, outputs, errors = _finish(_start(arguments, run.parent))
    assert codes == [0, 0], errors
    assert f"from step {lines[0].split()[4]} of" in outputs[0]
    assert "The run is complete" in outputs[0]
    assert outputs[1] == ""
    return _rows(run)


def _start(arguments, caches):
    """Both workers."""
    cluster = {"worker": [f"localhost:{port}" for port in _free_ports(2)]}
    tasks = [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in range(2)]
    return [
        subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=os.environ | {"TF_CONFIG": json.dumps(task), "XDG_CACHE_HOME": str(caches)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for task in tasks
    ]


def _free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def _finish(workers):
    """Exit codes, outputs and errors; kills both if one does not end."""
    try:
        said = [worker.communicate(timeout=240) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [worker.returncode for worker in workers], *zip(*said, strict=True)


def _rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
