"""Keeps BUILD true to the folders. Its language is part of Python, and is read here as that."""

import collections
import itertools
import pathlib
import runpy
import subprocess
import sys
import types
from unittest import mock

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.sources import ROOT, SOURCE_FOLDERS, Sources

PACKAGES = [folder for folder in SOURCE_FOLDERS if folder != "tests"]


def read_targets(root: pathlib.Path) -> dict[str, dict]:
    """The targets of the BUILD file in `root`: name -> its rule and the rule's arguments."""
    targets = {}

    def rule(kind):
        def declare(name, **arguments):
            assert name not in targets, name
            targets[name] = {"rule": kind, "data": []} | arguments

        return declare

    def glob(include, exclude=(), allow_empty=False):
        def matches(patterns):
            paths = [path for pattern in patterns for path in root.glob(pattern)]
            return {path.relative_to(root).as_posix() for path in paths if path.is_file()}

        files = sorted(matches(include) - matches(exclude))
        assert files or allow_empty, f"no file is named as {include}"
        return files

    def run(name):
        def load(label, *names):
            loaded = libraries.get(label) or run(label.removeprefix(":"))
            scope.update({name: loaded[name] for name in names})

        scope = {"load": load, "glob": glob, "native": types.SimpleNamespace(glob=glob)}
        exec(compile((root / name).read_text("utf-8"), name, "exec"), scope)
        return scope

    libraries = {
        "@rules_python//python:defs.bzl": {
            kind: rule(kind) for kind in ("py_library", "py_binary", "py_test")
        },
        "@pypi//:requirements.bzl": {
            "requirement": "@pypi//{}".format,
            "all_requirements": ["@pypi//all"],
        },
    }
    run("BUILD")
    return targets


TARGETS = read_targets(ROOT)
SOURCES = Sources(ROOT)


def targets_of(rule: str) -> dict[str, dict]:
    """Those of TARGETS that `rule` made, by name."""
    return {name: target for name, target in TARGETS.items() if target["rule"] == rule}


def holders(kind: str, file: str) -> list[str]:
    """The libraries whose `kind`, "srcs" or "data", holds a file."""
    return [name for name, target in targets_of("py_library").items() if file in target[kind]]


def reached(name: str) -> set[str]:
    """A target and those that it depends on, directly or not: names, without their ":"."""
    names = [dep[1:] for dep in TARGETS[name]["deps"] if dep.startswith(":")]
    return {name}.union(*map(reached, names))


def test_each_source_is_in_the_library_of_its_folder():
    sources = [path for path in SOURCES.texts if not path.startswith("tests/")]
    assert {path: holders("srcs", path) for path in sources} == {
        path: [path.rpartition("/")[0]] for path in sources
    }


def test_each_other_file_is_data_of_one_library():
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*")]
    files = [path.relative_to(ROOT).as_posix() for path in paths if path.is_file()]
    other = [file for file in files if not file.endswith((".py", ".pyc"))]
    assert "gan/metrics/digits/saved_model.pb" in other
    assert {file: len(holders("data", file)) for file in other} == dict.fromkeys(other, 1)


def test_each_folder_of_tests_has_its_target():
    files = {path for path in SOURCES.texts if path.startswith("tests/")}
    tests = {path for path in files if path.endswith("_test.py")}
    folders = {path.rpartition("/")[0] for path in tests}
    assert targets_of("py_test").keys() == {f"{folder}/test" for folder in folders}
    for folder in folders:
        target = TARGETS[f"{folder}/test"]
        inside = {path for path in files if path.rpartition("/")[0] == folder}
        assert set(target["args"]) == inside & tests
        above = [f"{parent}/conftest.py" for parent in map(str, pathlib.Path(folder).parents)]
        assert set(target["srcs"]) == inside | files.intersection([target["main"], *above])


def test_each_program_has_its_binary():
    programs = [path for path, text in SOURCES.texts.items() if 'if __name__ == "__' in text]
    modules = {path[:-3] for path in programs if not path.startswith("tests/")}
    binaries = targets_of("py_binary")
    assert modules <= binaries.keys()
    assert [name for name in binaries if not (ROOT / f"{name}.py").is_file()] == []
    assert {name: target["main"] for name, target in binaries.items()} == {
        name: f"{name}.py" for name in binaries
    }


def is_whole(name: str) -> bool:
    """Whether a target has all that it needs: it is no folder of a package, but the package."""
    return TARGETS[name]["rule"] != "py_library" or "/" not in name


@pytest.mark.parametrize("name", list(filter(is_whole, TARGETS)))
def test_a_target_has_what_its_files_import(name):
    targets = [TARGETS[each] for each in reached(name)]
    files = {file for target in targets for file in target["srcs"]}
    imports = [each for file in TARGETS[name]["srcs"] for each in SOURCES.imports.get(file, [])]
    assert set(map(SOURCES.imported_file, imports)) - {None} - files == set()


@pytest.fixture(scope="module")
def install():
    """What setup.py gives to setuptools."""
    with mock.patch.object(setuptools, "setup") as setup:
        runpy.run_path(str(ROOT / "setup.py"))
    return setup.call_args.kwargs


def test_tfnorm_depends_on_what_is_installed_with_it(install):
    names = [Requirement(line).name for line in install["install_requires"]]
    assert TARGETS["tfnorm"]["deps"][-len(names) :] == [f"@pypi//{name}" for name in names]


def test_the_lock_has_what_setup_asks_for(install):
    locked = collections.defaultdict(list)
    for line in (ROOT / "requirements_lock.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            pinned = Requirement(line)
            (version,) = pinned.specifier
            locked[canonicalize_name(pinned.name)].append(version.version)

    def is_met(asked):
        versions = locked[canonicalize_name(asked.name)]
        return versions and all(version in asked.specifier for version in versions)

    lines = itertools.chain(install["install_requires"], *install["extras_require"].values())
    asked = [each for each in map(Requirement, lines) if each.name != install["name"]]
    assert [str(each) for each in asked if not is_met(each)] == []


def test_the_module_offers_what_build_loads(install):
    extensions = collections.defaultdict(mock.Mock)
    scope = {name: mock.Mock() for name in ("module", "bazel_dep", "use_repo")}
    scope["use_extension"] = lambda file, name: extensions[name]
    exec((ROOT / "MODULE.bazel").read_text("utf-8"), scope)
    version = extensions["python"].toolchain.call_args.kwargs["python_version"]
    assert version in SpecifierSet(install["python_requires"])
    extensions["pip"].parse.assert_called_once_with(
        hub_name="pypi", python_version=version, requirements_lock="//:requirements_lock.txt"
    )
    scope["use_repo"].assert_called_once_with(extensions["pip"], "pypi")


@pytest.mark.parametrize(
    ("source", "code"),
    [("def test():\n    assert False", 1), ("def test():\n    pass", 0), ("", 5)],
    ids=["fails", "passes", "has no test"],
)
def test_the_runner_exits_as_its_tests_do(tmp_path, source, code):
    (tmp_path / "one_test.py").write_text(source, "utf-8")
    runner = ROOT / TARGETS["tests/test"]["main"]
    command = [sys.executable, str(runner), "one_test.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == code, run.stdout + run.stderr
