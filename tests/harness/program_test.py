"""Flags from a configuration, and a user's mistakes as one line."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.sources import ROOT

PROGRAMS = [
    *(f"{package}.{name}" for package in ("gan", "classify") for name in ("train", "evaluate")),
    *("gan.experiment", "classify.experiment", "gan.sample", "gan.train_features"),
]

PROGRAM = """
import dataclasses, json, os, sys
from harness import flags, program
from harness.config import Configuration, at_least, option
from harness.errors import Diverged

@dataclasses.dataclass(frozen=True)
class Other(Configuration):
    late: int = option(1, "Run", "Defined first, shown last.")

@dataclasses.dataclass(frozen=True)
class Config(Configuration):
    steps: int = option(10, "Training", "Updates.", check=at_least(0))
    rate: float = option(0.5, "Training", "Per step.")
    groups: int | None = option(16, "Network", "Channels.")
    kind: str = option("a", "Network", "Kind.", choices=("a", "b"))
    flat: bool = option(True, "Network", "Whether flat.")
    where: str = option("x", "Data", "Folder.")

def define():
    flags.define_flags(Other)
    flags.define_flags(Config)

def main():
    config = flags.override(Config())
    if config.steps == 13:
        raise Diverged("loss is nan,\\n at step 13")
    print(dataclasses.astuple(config))

os.environ["HOME"] = "/home/me"
# One process a call, without importing TensorFlow in each.
for arguments in json.loads(sys.argv[1]):
    read, write = {}, {}
    for name in (1, 2):
        read[name], write[name] = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(write[1], 1)
        os.dup2(write[2], 2)
        sys.argv = ["program", *arguments]
        try:
            program.run(main, "Does nothing.", define)
        except SystemExit as left:
            sys.stdout.flush()
            os._exit(left.code or 0)  # without taking TensorFlow down first, which takes seconds
    said = []
    for name in (1, 2):
        os.close(write[name])
        with open(read[name]) as file:
            said.append(file.read())
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), *said]), flush=True)
"""

MISTAKES = {
    ("--steps=-1",): "--steps must be a whole number, at least 0. Received: steps=-1 (see --help)",
    ("--steps=13",): "loss is nan, at step 13",
    ("--steps=many",): "many",
    ("--kind=c",): "must be one of a, b",
    ("--speed=1",): "speed",
    ("steps=3",): "steps=3",
    ("--steps=none",): "none",
}
OVERRIDES = {
    (): "(10, 0.5, 16, 'a', True, 'x')",
    ("--where=~/a[1]",): "(10, 0.5, 16, 'a', True, '/home/me/a[1]')",
    ("--where=./~",): "(10, 0.5, 16, 'a', True, './~')",
    (
        "--rate=2",
        "--groups=none",
        "--kind=b",
        "--noflat",
        "--steps=3",
    ): "(3, 2.0, None, 'b', False, 'x')",
}


@pytest.fixture(scope="module")
def results(call):
    """Exit code, standard output and standard error of the program, by its arguments."""
    calls = [*MISTAKES, *OVERRIDES, ("--help",)]
    code, out, error = call("-c", PROGRAM, json.dumps(calls))
    assert code == 0, error
    lines = [json.loads(line) for line in out.splitlines()]
    return dict(zip(calls, lines, strict=True))


@pytest.mark.parametrize("arguments", OVERRIDES)
def test_flags_override_what_they_name_and_nothing_else(results, arguments):
    assert results[arguments] == [0, OVERRIDES[arguments] + "\n", ""]


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_1(results, arguments):
    code, out, error = results[arguments]
    assert code == 1
    assert out == ""
    (line,) = error.splitlines()
    assert line.startswith("error: ")
    assert MISTAKES[arguments] in line


def test_help_shows_every_flag_in_its_group(results):
    code, text, _ = results[("--help",)]
    assert code == 0
    assert text.startswith("Does nothing.")
    assert text.index("Network:") < text.index("Training:") < text.index("--steps=<int>")
    assert text.index("--steps=<int>") < text.index("--rate=<float>") < text.index("--late=<int>")
    assert text.index("Network:") < text.index("--groups=<int>|none") < text.index("--kind=a|b")
    assert "--[no]flat" in text


CLOSED = """
import os, sys
os.close(2)
sys.stderr = None
from harness import program

def main():
    program.load_tensorflow()
    import tensorflow
    print(tensorflow.constant(3) + 1 == 4, os.fstat(2).st_rdev == os.stat(os.devnull).st_rdev)

sys.argv = ["program"]
program.run(main, "Does nothing.", lambda: None)
"""


def test_a_closed_standard_error_leads_nowhere(tmp_path):
    """In a process that has not loaded TensorFlow yet."""
    run = subprocess.run(
        [sys.executable, "-c", CLOSED], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (run.returncode, run.stdout.split()[-1]) == (0, "True")


KERAS = """
from harness import program

def main():
    program.load_tensorflow()
    import keras
    config = keras.config
    layer = keras.layers.Conv2D(1, 1)
    print(config.backend(), config.floatx(), config.epsilon(), layer.dtype, layer.data_format)

program.run(main, "Makes a layer.", lambda: None)
"""
KERAS_JSON = {
    "backend": "jax",
    "floatx": "float16",
    "epsilon": 1e-3,
    "image_data_format": "channels_first",
}


def run_with_keras(folder, **environment):
    """Exit code, standard output and standard error, of a user who has this `.keras`."""
    usual = {key: value for key, value in os.environ.items() if not key.startswith("KERAS_")}
    process = start(KERAS, env=usual | {"HOME": str(folder)} | environment)
    out, error = process.communicate()
    return process.returncode, out.decode(), error.decode()


@pytest.mark.parametrize(
    "variable, content",
    {"HOME": KERAS_JSON, "KERAS_HOME": ["no object, which TensorFlow would end by"]}.items(),
)
def test_a_users_keras_json_changes_nothing(tmp_path, variable, content):
    file = tmp_path / ".keras/keras.json"
    file.parent.mkdir()
    file.write_text(json.dumps(content))
    own = {"KERAS_HOME": str(file.parent)} if variable == "KERAS_HOME" else {}
    expected = "tensorflow float32 1e-07 float32 channels_last\n"
    assert run_with_keras(tmp_path, **own) == (0, expected, "")
    assert json.loads(file.read_text()) == content


def test_another_backend_of_keras_is_one_line(tmp_path):
    code, out, error = run_with_keras(tmp_path, KERAS_BACKEND="jax")
    assert (code, out) == (1, "")
    assert error == (
        "error: The environment variable KERAS_BACKEND must be tensorflow, or not be set. "
        "Received: KERAS_BACKEND=jax\n"
    )


SPEAKS = """
import sys
from absl import flags
from harness import program

def main():
    for number in range(2000):
        print(f"Fréchet distance {number}", sys.argv[1:])
    print("done", file=sys.stderr)

program.run(main, "Says much.", lambda: flags.DEFINE_string("out", "", ""))
"""


def start(code, *arguments, stdout=subprocess.PIPE, **options):
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        **options,
    )


def test_a_reader_that_wants_the_beginning_only_does_not_end_a_program():
    process = start(SPEAKS)
    assert process.stdout.readline() == b"Fr\xc3\xa9chet distance 0 []\n"
    process.stdout.close()
    assert process.stderr.read() == b"done\n" and process.wait() == 0
    process = start(SPEAKS, "--help")
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 0


def test_a_full_disk_under_standard_output_is_told_once_and_does_not_end_a_program():
    for arguments, error in (((), b"done\n"), (("--help",), b"")):
        with open("/dev/full", "w") as full:
            process = start(SPEAKS, *arguments, stdout=full)
        said = b"Standard output cannot be written: No space left on device. It is left out.\n"
        assert process.stderr.read() == said + error and process.wait() == 0


def test_a_disk_that_fills_while_a_program_prints_keeps_the_beginning(tmp_path, small_files):
    with small_files(3000), open(tmp_path / "log", "w") as file:
        process = start(SPEAKS, stdout=file)
    error = process.communicate()[1]
    assert process.returncode == 0 and error.endswith(b"done\n") and error.count(b"\n") == 2
    assert error.startswith(b"Standard output cannot be written: File too large.")
    assert (tmp_path / "log").stat().st_size == 3000


@pytest.mark.parametrize(
    "encoding, said",
    {"ascii": b"Fr\\xe9chet", "cp932": b"Fr\\xe9chet", "latin-1": b"Fr\xe9chet"}.items(),
)
def test_an_encoding_without_a_letter_does_not_end_a_program(encoding, said):
    process = start(
        SPEAKS, os.fsdecode(b"--out=\xff"), env=os.environ | {"PYTHONIOENCODING": encoding}
    )
    out, error = process.communicate()
    assert (process.returncode, error) == (0, b"done\n")
    assert out.startswith(said + b" distance 0 ['--out=\\udcff']\n")


SLOW = """
from harness import program

def main():
    program.load_tensorflow()
    from gan.run import Run

print("up", flush=True)
program.run(main, "Imports.", lambda: None)
"""
# As libraries do with what happens while they try an import.
SWALLOWS = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    os.getpid()
except BaseException as error:
    raise ImportError("this is not installed") from error
"""


def default_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_within_an_import_is_one_line(tmp_path):
    (tmp_path / "swallows.py").write_text(SWALLOWS)
    code = f"import sys\nsys.path.append({str(tmp_path)!r})\n{SLOW}"
    code = code.replace("    program.load_tensorflow()", "    import swallows")
    process = start(code, preexec_fn=default_ctrl_c)
    out, error = process.communicate()
    assert (process.returncode, out, error) == (1, b"up\n", b"error: Interrupted.\n")


FINALIZES = """
import os, signal
from harness import program

class Model:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        os.getpid()

def main():
    print("begun")
    Model()
    print("not reached")

program.run(main, "Drops a model.", lambda: None)
"""


TRACES = """
import os, signal
import tensorflow as tf
from harness import program

def main():
    print("begun")
    tf.function(lambda: tf.numpy_function(traced, [], tf.float32))()
    print("not reached")

def traced():
    os.kill(os.getpid(), signal.SIGINT)
    os.getpid()

program.run(main, "Computes.", lambda: None)
"""


@pytest.mark.parametrize("code", [FINALIZES, TRACES], ids=["sigterm-finalizer", "tensorflow"])
def test_ctrl_c_and_sigterm_are_one_line_where_an_exception_would_be_dropped_or_become_another(
    code,
):
    process = start(code, preexec_fn=default_ctrl_c)
    out, error = process.communicate()
    assert (process.returncode, out) == (1, b"begun\n")
    # TensorFlow's own first lines may come before.
    assert error.endswith(b"error: Interrupted.\n") and b"Traceback" not in error


@pytest.mark.parametrize("seconds", [1, 2])
def test_ctrl_c_while_tensorflow_is_loaded_is_one_line(seconds):
    process = start(SLOW, preexec_fn=default_ctrl_c)
    process.stdout.readline()
    time.sleep(seconds)  # imports take about four
    process.send_signal(signal.SIGINT)
    out, error = process.communicate()
    if process.returncode not in (0, -signal.SIGINT):  # it had come to its end
        assert (process.returncode, out, error) == (1, b"", b"error: Interrupted.\n")


def test_ctrl_c_that_is_ignored_stays_so():
    process = start(SLOW, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate() == (b"", b"") and process.returncode == 0


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_loads_no_tensorflow_and_nothing_is_loaded_before_signals_are_handled(program):
    code = f"""
import importlib.abc, runpy, signal, sys

class Finder(importlib.abc.MetaPathFinder):
    unhandled = set()

    def find_spec(self, name, path, target=None):
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.unhandled.add(name.split(".")[0])

sys.meta_path.insert(0, Finder())
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["{program}", "--help"]
try:
    runpy.run_module("{program}", run_name="__main__")
except SystemExit as left:
    loaded = [m for m in ("tensorflow", "keras", "matplotlib") if m in sys.modules]
    print(left.code, loaded, sorted(Finder.unhandled - sys.stdlib_module_names))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (
        run.stdout.splitlines()[-1] == f"0 [] {sorted({'harness', program.split('.')[0]})}"
        and run.stderr == ""
    )
