"""What importing the project loads, and that it does nothing else: in new processes."""

import pathlib
import subprocess
import sys

import pytest

from tests.sources import ROOT, Sources, write_tree

HEAVY = ("matplotlib", "scipy", "tensorflow_datasets", "tensorflow_gan")
SLOW = ("tensorflow", "keras", "matplotlib", "scipy")

ASKED_FOR = f"""
import importlib, importlib.abc, sys

class Recorder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in {HEAVY}:
            print("tells", name)

importlib.import_module(sys.argv[1])
for name in list(sys.modules):
    if name.split(".")[0] in {HEAVY}:
        del sys.modules[name]
sys.meta_path.insert(0, Recorder())
import tfnorm
"""

LOADED = f"""
import importlib, sys

importlib.import_module(sys.argv[1])
for name in {SLOW}:
    if name in sys.modules:
        print("tells", name)
"""

LISTED = f"""
import runpy, sys

program, *flags = sys.argv[1:]
sys.argv = [program, *flags]
try:
    runpy.run_module(program, run_name="__main__")
except SystemExit as left:
    print("tells", left.code)
for name in {SLOW}:
    if name in sys.modules:
        print("tells", name)
"""

CHANGED = """
import importlib, os, signal, sys, warnings

replace, replaced = os.dup2, []

def dup2(old, new, *inheritable):
    replaced.append(new)
    return replace(old, new, *inheritable)

def state():
    return {
        "file descriptors": (len(replaced), [os.fstat(number)[:3] for number in range(3)]),
        "the environment": dict(os.environ),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "filters of warnings": list(warnings.filters),
        "the path": list(sys.path),
        "the streams": (sys.stdin, sys.stdout, sys.stderr),
        "TensorFlow": dir(sys.modules["tensorflow"]),
    }

import tensorflow
os.dup2 = dup2
for name in sys.argv[1:]:
    before = state()
    importlib.import_module(name)
    after = state()
    for what in before:
        if before[what] != after[what]:
            print("tells", name, "changes", what)
"""


def told(program: str, *arguments: str, root: pathlib.Path = ROOT) -> list[str]:
    """What one of the programs above tells, which imports from `root`: the lines' other words."""
    command = [sys.executable, "-c", program, *arguments]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    return [line.removeprefix("tells ") for line in lines if line.startswith("tells ")]


def modules_of(*folders: str) -> dict[str, str]:
    """The modules below folders of the root: dotted name -> source."""
    texts = Sources(ROOT).texts.items()
    return {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): text
        for path, text in sorted(texts)
        if path.split("/")[0] in folders
    }


def light_modules() -> list[str]:
    """Those that are loaded before a program knows that it has something to compute."""
    modules = modules_of("harness", "gan", "classify")
    rooms = ("config", "presets")
    return [
        name
        for name, text in modules.items()
        if name.rpartition(".")[2] in rooms or 'if __name__ == "__main__"' in text
    ]


def test_import_tfnorm_loads_nothing_heavy():
    """TensorFlow and Keras load SciPy and Matplotlib where these are: what they load is forgotten.

    That is why they are imported first.
    """
    assert told(ASKED_FOR, "keras") == []


@pytest.mark.parametrize("module", light_modules())
def test_import_loads_no_tensorflow(module):
    assert told(LOADED, module) == []


@pytest.mark.parametrize("program", ["gan.experiment", "classify.experiment"])
@pytest.mark.parametrize(("flag", "code"), [("--dry_run", "None"), ("--norms=nonesuch", "1")])
def test_runs_are_listed_and_mistakes_told_without_tensorflow(tmp_path, program, flag, code):
    flags = ["--name=gain", f"--data_dir={tmp_path}", f"--out={tmp_path / 'out'}", flag]
    flags += [f"--features={tmp_path}"] if program == "gan.experiment" else []
    assert told(LISTED, program, *flags) == [code]


def test_imports_change_nothing():
    modules = modules_of("tfnorm", "harness", "gan", "classify")
    assert told(CHANGED, *modules) == []


# The checkers themselves, on trees of a few files.


def test_light_modules_are_found():
    expected = {"harness.config", "gan.presets", "gan.train", "classify.config"}
    assert expected <= set(light_modules())


@pytest.mark.parametrize("name", HEAVY)
def test_a_heavy_import_is_seen(tmp_path, name):
    tree = {
        "tfnorm/__init__.py": "from tfnorm import part\n",
        "tfnorm/part.py": f"try:\n    import {name}\nexcept ImportError:\n    pass\n",
        f"{name}.py": "",
        "first.py": f"import {name}\n",
    }
    assert told(ASKED_FOR, "first", root=write_tree(tmp_path, tree)) == [name]


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_import_is_seen(tmp_path, name):
    tree = {
        "gan/__init__.py": "",
        "gan/presets.py": "from gan import config\n",
        "gan/config.py": f"import {name}.part\n",
        f"{name}/__init__.py": "",
        f"{name}/part.py": "",
    }
    assert told(LOADED, "gan.presets", root=write_tree(tmp_path, tree)) == [name]


@pytest.mark.parametrize(
    ("what", "source"),
    [
        ("file descriptors", "import os\nkept = os.dup(2)\nos.dup2(1, 2)\nos.dup2(kept, 2)"),
        ("file descriptors", "import os\nos.close(0)\nos.open(__file__, os.O_RDONLY)"),
        ("the environment", "import os\nos.environ.setdefault('TFNORM_LEVEL', '3')"),
        ("signals", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"),
        ("filters of warnings", "import warnings\nwarnings.simplefilter('ignore', UserWarning)"),
        ("the path", "import sys\nsys.path.append('elsewhere')"),
        ("the streams", "import sys\nsys.stdin = None"),
        ("TensorFlow", "import tensorflow\ntensorflow.estimator = None"),
    ],
)
def test_a_change_is_seen(tmp_path, what, source):
    tree = {"tensorflow.py": "", "sound.py": "import os\n", "part.py": source}
    expected = [f"part changes {what}"]
    assert told(CHANGED, "sound", "part", root=write_tree(tmp_path, tree)) == expected
