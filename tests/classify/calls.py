"""The programs of `classify` as a user runs them, but importing TensorFlow once for all."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]

# Each call is in a fork of a process that has imported the programs.
SERVER = """
import importlib, json, os, sys
from classify import evaluate, train
from tfnorm.training import program

for line in sys.stdin:
    name, *arguments = json.loads(line)
    child = os.fork()
    if not child:
        for number, file in ((1, "out"), (2, "error")):
            os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
        os.chdir(sys.argv[1])
        sys.argv = [name, *arguments]
        module = importlib.import_module(f"classify.{name}")
        try:
            program.run(module.main, module.USAGE, module.define_flags)
        except SystemExit as left:
            sys.stdout.flush()
            os._exit(left.code or 0)  # without taking TensorFlow down first, which takes seconds
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def environment():
    """A user's: TensorFlow may say what it likes."""
    kept = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return kept | {"PYTHONPATH": str(ROOT)}


class Calls:
    """Calls of `python -m classify.NAME`, one after another, from the root of the checkout.

    Args:
        folder: for what they print.
    """

    def __init__(self, folder):
        self._folder = folder
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(ROOT)],
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, name, *arguments):
        """Exit code, standard output and standard error of a call."""
        self.start(name, *arguments)
        return self.finish()

    def start(self, name, *arguments):
        """Begins a call, and returns the number of its process."""
        print(json.dumps([name, *map(str, arguments)]), file=self._server.stdin, flush=True)
        return int(self._server.stdout.readline())

    def finish(self):
        """Waits for the call that was begun; returns what a call does."""
        code = int(self._server.stdout.readline())
        return code, *((self._folder / name).read_text() for name in ("out", "error"))

    def close(self):
        """Ends the process that the calls are forks of."""
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()
