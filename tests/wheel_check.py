"""Checks what pip installs: `python tests/wheel_check.py`, 80 s, most of it TensorFlow's install.

Builds the source distribution from a copy of the checkout, and the wheel from that. The wheel holds
the modules of tfnorm and nothing else; in a fresh environment with the requirements that it
declares and no extra, every module in it is imported, and the benchmark runs. The exit code is 0,
or 1 with a line that says what is wrong.
"""

import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).parents[1]
NOT_COPIED = (".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "bazel-*")
BUILD_SOURCES = """
import sys
from setuptools import build_meta

build_meta.build_sdist(sys.argv[1])
"""
IMPORT_ALL = """
import importlib, sys

wrong = []
for name in sys.argv[1:]:
    try:
        file = importlib.import_module(name).__file__
        if not file.startswith(sys.prefix):
            wrong.append(f"{name} is {file}, not what was installed")
    except BaseException as error:
        wrong.append(f"{name} cannot be imported: {type(error).__name__}: {error}")
sys.exit("\\n".join(wrong) or 0)
"""
BENCHMARK = "-m tfnorm.benchmark --layers=cd --shapes=8x4 --group_sizes=none --rounds=1".split()


class Wrong(Exception):
    """What is wrong with the distributions."""


def run(folder: pathlib.Path, *command) -> subprocess.CompletedProcess:
    """Runs a command in a folder, and returns how it ended."""
    return subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True)


def succeed(what: str, folder: pathlib.Path, *command) -> str:
    """What a command prints, which does `what`; raises `Wrong` where it fails."""
    process = run(folder, *command)
    if process.returncode:
        raise Wrong(f"{what} fails:\n{process.stderr}{process.stdout}")
    return process.stdout


def build(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """The source distribution and the wheel, made below `folder` from a copy of the checkout."""
    copy = shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(*NOT_COPIED))
    succeed("building the sources", copy, sys.executable, "-c", BUILD_SOURCES, folder)
    (sources,) = folder.glob("*.tar.gz")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    succeed("building the wheel", folder, *pip, sources)
    (wheel,) = folder.glob("*.whl")
    return sources, wheel


def check_files(sources: pathlib.Path, wheel: pathlib.Path) -> list[str]:
    """The names of the wheel's files; raises `Wrong` where a distribution has too many or few."""
    package = [path for path in (ROOT / "tfnorm").rglob("*") if path.is_file()]
    named = {path.relative_to(ROOT).as_posix() for path in package if path.suffix != ".pyc"}
    names = zipfile.ZipFile(wheel).namelist()
    others = {"METADATA", "RECORD", "WHEEL", "top_level.txt", "licenses/LICENSE"}
    described = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/"
    compare("wheel", set(names), named | {described + other for other in others})
    in_sources = (name.partition("/")[2] for name in tarfile.open(sources).getnames())
    folders = {name.split("/")[0] for name in in_sources if "/" in name}
    compare("source distribution", folders, {"tfnorm", "tfnorm.egg-info"})
    return names


def compare(title: str, found: set[str], expected: set[str]):
    """Raises `Wrong` where the two differ."""
    for names, what in ((found - expected, "should not have"), (expected - found, "lacks")):
        if names:
            raise Wrong(f"the {title} {what} {', '.join(sorted(names))}")


def check_installed(folder: pathlib.Path, wheel: pathlib.Path, modules: list[str]):
    """Installs the wheel alone and uses it, from a folder without the checkout."""
    environment = folder / "environment"
    succeed("making an environment", folder, sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    succeed("installing the wheel", folder, python, "-m", "pip", "install", "--quiet", wheel)
    empty = folder / "empty"
    empty.mkdir()
    # -I: nothing is imported from the folder, or from where PYTHONPATH says.
    succeed("importing every module", empty, python, "-I", "-c", IMPORT_ALL, *modules)
    print(succeed("the benchmark", empty, python, "-I", *BENCHMARK))
    # No declared requirement brings Matplotlib.
    drawing = run(empty, python, "-I", *BENCHMARK, "--out=drawn")
    errors = [line for line in drawing.stderr.splitlines() if line.startswith("error:")]
    refused = len(errors) == 1 and "pip install matplotlib" in errors[0]
    if drawing.returncode != 1 or not refused or "Traceback" in drawing.stderr:
        raise Wrong(f"--out without Matplotlib is not refused in a line:\n{drawing.stderr}")
    if left := [path.name for path in empty.iterdir()]:
        raise Wrong(f"the benchmark leaves {', '.join(left)}")


def main() -> int:
    """Builds and checks; returns the exit code."""
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            sources, wheel = build(folder)
            names = check_files(sources, wheel)
            print(wheel.name, *names, sep="\n  ", flush=True)
            files = [name for name in names if name.endswith(".py")]
            modules = [name[:-3].removesuffix("/__init__").replace("/", ".") for name in files]
            check_installed(folder, wheel, modules)
    except Wrong as wrong:
        print(f"wheel check: {wrong}", file=sys.stderr)
        return 1
    print(f"The wheel is sound: its {len(modules)} modules are imported in a fresh environment.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
