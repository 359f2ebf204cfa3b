"""Programs and code in processes of their own, but importing TensorFlow once for all."""

import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]

# Each call is in a fork of this process, which has imported the programs and computed nothing.
SERVER = """
import contextlib, gc, importlib, json, os, signal, sys, traceback

from harness import program
program.load_tensorflow()
for name in (
    "gan.train", "gan.evaluate", "gan.experiment", "gan.train_features", "gan.run",
    "gan.comparison", "gan.drawing", "gan.feature_network", "gan.sample", "classify.train",
    "classify.evaluate", "classify.experiment", "classify.run", "classify.measured",
    "tfnorm.benchmark.__main__",
):
    with contextlib.suppress(Exception):  # Who calls it is told.
        importlib.import_module(name)
gc.collect()
gc.freeze()  # a fork does not look at them again

def call(name, *arguments):
    if name == "-c":
        code, *arguments = arguments
        sys.argv = [name, *arguments]
        exec(code, {"__name__": "__main__"})
    else:
        sys.argv = [name, *arguments]
        module = importlib.import_module(name)
        program.run(module.main, module.USAGE, module.define_flags)

running = set()
for line in sys.stdin:
    request = json.loads(line)
    if isinstance(request, int):  # a call to wait for
        running.remove(request)
        print(os.waitstatus_to_exitcode(os.waitpid(request, 0)[1]), flush=True)
        continue
    words, environment = request
    child = os.fork()
    if not child:
        signal.alarm(300)  # seconds, and then it is killed
        for number, file in ((1, "out"), (2, "error")):
            flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
            os.dup2(os.open(f"{os.getpid()}.{file}", flags), number)
        os.chdir(sys.argv[1])
        os.environ |= environment
        code = 0
        try:
            call(*words)
        except SystemExit as left:
            code = left.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        os._exit(code)  # without taking TensorFlow down first, which takes seconds
    running.add(child)
    print(child, flush=True)
for child in running:
    os.kill(child, signal.SIGKILL)
"""


def environment(folder):
    """A user's, with caches and temporary files in a folder: TensorFlow may say what it likes."""
    kept = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return kept | {"PYTHONPATH": path, "XDG_CACHE_HOME": str(folder), "TMPDIR": str(folder)}


def wait_for(condition):
    """Waits until `condition()`."""
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Calls:
    """Calls from the root of the checkout: `python -m gan.train ...`, or `python -c CODE ...`.

    Their names are "gan.train", or another of the programs, and "-c".

    Args:
        folder: for what they print, for caches and temporary files.
    """

    def __init__(self, folder):
        self._folder = folder
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(ROOT)],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, name, *arguments):
        """Exit code, standard output and standard error of a call."""
        return self.finish(self.start(name, *arguments))

    def start(self, name, *arguments, **environment):
        """Begins a call, with more in its environment; returns the number of its process."""
        return self._ask([[name, *map(str, arguments)], environment])

    def finish(self, number):
        """Waits for the process of this number; returns what a call does."""
        code = self._ask(number)
        return code, *((self._folder / f"{number}.{name}").read_text() for name in ("out", "error"))

    def close(self):
        """Ends the process that the calls are forks of, and those that nobody waited for."""
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def _ask(self, request):
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return int(self._server.stdout.readline())
