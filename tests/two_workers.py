"""Two processes that train together."""

import contextlib
import json
import os
import signal
import socket

from tests.calls import wait_for


def free_ports(count):
    """Ports of this machine that nobody has, a list."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]


def environments():
    """What each has in its environment: a TF_CONFIG of two on this machine, at free ports."""
    workers = [f"localhost:{port}" for port in free_ports(2)]
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
    first = lines[0].split()[4]
    assert f"Worker 1 of 2: trains from step {first} of" in outputs[1]
    assert outputs[1].splitlines()[-1].startswith("Worker 1 of 2: is done at step")
    assert "loss" not in outputs[1] and "distance" not in outputs[1]
    return rows()


def different_and_lost(call, program, flags, run, other):
    """Starts two that differ, and then two of which one is killed.

    Args:
        call, program, flags, run: as above.
        other: a flag that the second one has, at first.

    Returns:
        The last lines of standard error: of both that differ, and of the one that was left.
    """
    arguments = [*flags, "--strategy=multi_worker", f"--run_dir={run}"]
    workers = [
        call.start(program, *arguments, *more, **environment)
        for environment, more in zip(environments(), ([], [other]), strict=True)
    ]
    first, second = [call.finish(worker) for worker in workers]
    assert (first[0], second[0]) == (1, 1), (first, second)
    assert not run.exists()
    workers = [call.start(program, *arguments, **environment) for environment in environments()]
    wait_for(lambda: (run / "checkpoints" / "checkpoint").exists())
    os.kill(workers[1], signal.SIGKILL)
    code, _, error = call.finish(workers[0])
    assert code == 1
    assert call.finish(workers[1])[0] == -signal.SIGKILL
    return [text.splitlines()[-1] for text in (first[2], second[2], error)]
