"""Runs the layers' tests on the wheel, with one pair of versions.

    python -m tests.versions_check --python=python3.13 --tensorflow=2.21.0 --keras=3.15.1

It makes a fresh environment of that interpreter with the wheel, those two and what the tests
import, and runs the tests of functional, layers, folding, preprocessing and conversion from a
folder that has no other tfnorm. It prints a row of a table, and what failed; the exit code is that
of pytest.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from tests.wheel_check import NOT_COPIED, ROOT, build, succeed

NEEDED = ("hypothesis", "pillow", "pytest>=8.1", "pytest-xdist", "scikit-learn", "scipy")
FOLDERS = (
    *("functional", "layers", "folding", "preprocessing"),
    *("conversion_test.py", "domains_test.py", "adaptation_test.py"),
)


def check(python: str, tensorflow: str, keras: str, folder: pathlib.Path) -> int:
    """Installs and tests below a folder; returns pytest's exit code."""
    _, wheel = build(folder)
    environment, copy = folder / "environment", folder / "without"
    succeed("making an environment", folder, python, "-m", "venv", environment)
    own = environment / "bin" / "python"
    pip = (own, "-m", "pip", "install", "--quiet")
    versions = (f"tensorflow=={tensorflow}", f"keras=={keras}")
    succeed("installing the requirements", folder, *pip, *versions, "absl-py", *NEEDED)
    # A release candidate is looked at before the wheel admits it.
    succeed("installing the wheel", folder, *pip, "--no-deps", wheel)
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_COPIED, "tfnorm"))
    tests = [f"tests/{name}" for name in FOLDERS]
    pytest = [own, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(pytest, cwd=copy, capture_output=True, text=True)
    last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]
    failed = re.findall(r"^(?:FAILED|ERROR) .*", done.stdout, re.MULTILINE)
    said = succeed("asking for the version", folder, own, "--version").split()[1]
    print(f"| {said} | {tensorflow} | {keras} | {last.strip('= ')} |", *failed, sep="\n")
    return done.returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="the interpreter")
    parser.add_argument("--tensorflow", required=True)
    parser.add_argument("--keras", required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sys.exit(check(given.python, given.tensorflow, given.keras, pathlib.Path(name)))
