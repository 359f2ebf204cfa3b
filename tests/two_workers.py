"""Two processes that train together."""

import json
import os
import signal
import socket

from tests.calls import wait_for


def environments():
    """What each has in its environment: a TF_CONFIG of two on this machine, at free ports."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("localhost", 0))
        workers = [f"localhost:{each.getsockname()[1]}" for each in (first, second)]
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    configs = [{"cluster": {"worker": workers}, "task": task} for task in tasks]
    return [{"TF_CONFIG": json.dumps(config)} for config in configs]


def interrupted_and_resumed(call, program, flags, run):
    """Trains, tells one of the two to leave, and goes on to the end.

    Args:
        call: the fixture.
        program: "gan.train" or "classify.train".
        flags: of a run that logs at least five times.
        run: its directory.

    Returns:
        The rows of the run's `metrics.jsonl`.
    """
    arguments = [*flags, "--strategy=multi_worker", "--synchronized", f"--run_dir={run}"]

    def rows():
        text = (run / "metrics.jsonl").read_text() if (run / "metrics.jsonl").exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def start():
        return [call.start(program, *arguments, **each) for each in environments()]

    def finish(workers):
        return zip(*map(call.finish, workers), strict=True)

    workers = start()
    wait_for(lambda: len(rows()) > 2)
    os.kill(workers[1], signal.SIGTERM)
    codes, _, errors = finish(workers)
    assert codes == (1, 1), errors
    lines = [error.splitlines()[-1] for error in errors]
    assert lines[0].startswith("error: Interrupted at step")
    assert lines[0] == lines[1]
    codes, outputs, errors = finish(start())
    assert codes == (0, 0), errors
    assert f"from step {lines[0].split()[4]} of" in outputs[0]
    assert "The run is complete" in outputs[0]
    assert "step" not in outputs[1] and "distance" not in outputs[1]
    return rows()
