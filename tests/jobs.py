"""Jobs of experiments, done without a process of their own."""

import contextlib

from harness.run.directory import RunDirectory


def in_this_process(carry_out, config, path, log, interruption):
    """As `harness.experiments.processes.in_own_process`, but here."""
    with open(log, "a", buffering=1) as file:
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            carry_out(config, RunDirectory(path))
