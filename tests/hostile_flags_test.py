"""Whatever a flag is given, a mistake is one line with the flag, the rule and what was received."""

import importlib
import os
import re
import time

import numpy as np
import pytest
import tensorflow as tf

import tfnorm
from harness import help_page, program
from harness.flags import shown
from tests.commands import PROGRAMS, Commands
from tests.contradictions import CLASSIFY, EARLY, LATE, PROCESSES
from tests.hostile_flags import FIELDS, OWN


@pytest.fixture
def commands(monkeypatch):
    return Commands(monkeypatch)


def rows(name, flags):
    """The rows of a program's flags."""
    return {flag: (FIELDS | OWN[name]).get(flag) for flag in sorted(flags)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_value_of_every_flag(name, commands, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = commands.flags(name)
    table = rows(name, flags)
    assert [flag for flag, row in table.items() if row is None] == [], "A flag needs a row."
    assert set(OWN[name]) <= flags, "A row has no flag."
    count = 0
    for flag, (values, rule) in table.items():
        for value in values:
            code, out, error = commands(name, f"--{flag}={value}")
            assert (code, out) == (1, ""), (flag, value)
            (line,) = error.splitlines()
            assert line.startswith(f"error: --{flag} must be {rule}"), line
            assert f". Received: {flag}=" in line and value[:200] in line, line
            count += 1
    assert count >= 3 * len(flags)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """F, a folder, in the working directory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "F")
    return tmp_path


def fill(path):
    (path / "run").mkdir(parents=True)
    (path / "run/config.json").write_text('{"dataset": "digits", "steps": 1e400}')
    (path / "text.txt").write_text("text")
    (path / "flags").write_text("# of a run\n--steps=many\n")
    (path / "bytes").write_bytes(b"--steps=\xff\n")
    np.savez(path / "a.npz", images=np.zeros([2, 8, 8, 1], np.uint8))
    (path / "to_a").symlink_to("a.npz")
    (path / "saved").mkdir()
    for name in ("saved_model.pb", "notes.txt"):
        (path / "saved" / name).write_text("text")
    os.mkfifo(path / "fifo")


def contents(path):
    return {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("command", [*EARLY, *LATE], ids=" ".join)
def test_what_cannot_be_meant(command, commands, folder):
    before = contents(folder)
    code, out, error = commands(*command)
    assert (code, out) == (1, ""), error
    (line,) = error.splitlines()
    assert line.startswith("error: ") and (EARLY | LATE)[command] in line
    assert contents(folder) == before and not (folder / "R").exists()


def test_there_are_as_many_cases_as_are_promised():
    assert len(EARLY) + len(LATE) >= 70 and len(PROCESSES) >= 30
    assert {name for name, *_ in (*EARLY, *LATE)} == set(PROGRAMS)


def test_as_processes(call, tmp_path):
    fill(tmp_path / "F")

    def there(text):
        return text.replace("=F", f"={tmp_path}/F").replace("=R", f"={tmp_path}/R")

    before, start = contents(tmp_path), time.monotonic()
    numbers = [call.start(*map(there, command)) for command in PROCESSES]
    for number, command in zip(numbers, PROCESSES, strict=True):
        code, out, error = call.finish(number)
        assert (code, out) == (1, ""), (command, error)
        (line,) = error.splitlines()
        said = (EARLY | LATE)[command]
        assert line.startswith("error: ") and there(said.split("=F")[0]) in line
    assert time.monotonic() - start < 20 * len(PROCESSES)
    assert contents(tmp_path) == before and not (tmp_path / "R").exists()


def test_what_is_neutral_may_be_given(commands, folder):
    """As a script does that has all flags."""
    neutral = ("--group_size=none", "--device=none", "--estimate=covariance", "--nosynchronized")
    code, out, error = commands(*CLASSIFY, "--norm=ln", *neutral, "--groups=none", "--dry_run")
    assert (code, error) == (0, "")
    assert "norm: ln  # changed from unitization" in out.splitlines()


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_and_version(name, commands):
    flags = commands.flags(name)
    code, text, error = commands(name, "--help")
    assert (code, error) == (0, "")
    for flag in {*flags, "flagfile", "version"}:
        assert re.search(rf"^ +--(\[no\])?{flag}\b", text, re.MULTILINE), flag
    code, out, error = commands(name, "--version")
    assert (code, error) == (0, "")
    assert re.fullmatch(rf"tfnorm {tfnorm.__version__}, tensorflow {tf.__version__}.*\n", out)


def test_help_tells_defaults(commands):
    words = " ".join(commands("gan.train", "--help").out.split())
    assert "Default: 64, or the preset's 32. --learning_rate" in words
    assert "Default: 0.99. --device" in words and "Default: false. --coloring_rank" in words
    words = " ".join(commands("gan.train_features", "--help").out.split())
    assert "Default: 2000. --batch_size" in words
    words = " ".join(commands("classify.train", "--help").out.split())
    assert "Default: none, or the preset's. --iterations" in words  # of too many values
    words = " ".join(commands("classify.experiment", "--help").out.split())
    assert "Learning rates of gain are for the task's own number, and for others in prop" in words


@pytest.mark.parametrize("package", ["gan", "classify"])
def test_help_tells_how_presets_differ(package, commands):
    presets = importlib.import_module(f"{package}.presets").PRESETS
    _, text = commands(f"{package}.train", "--help").out.split(f"{help_page.PRESETS}:\n")
    text, _ = text.split("\n\n", 1)
    told, shared = {}, {}
    for line in re.sub(r"\n {8}", " ", text).splitlines():
        name, differ = line.strip().split(": ")
        given = (
            {} if differ == "none of them" else dict(flag.split("=", 1) for flag in differ.split())
        )
        if name.endswith("*"):
            shared = given
        else:
            told[name] = given | (shared if line.startswith(" " * 4) else {})
    for name, config in presets.items():
        expected = {
            f"--{field}": shown(value)
            for field, value in config.settings().items()
            if value != getattr(type(config)(), field)
        }
        assert told.pop(name) == expected, name
    assert not told


def test_memory_is_a_line_and_a_fault_of_the_program_is_not(capsys):
    def tensorflow():
        raise tf.errors.ResourceExhaustedError(None, None, "{{x}} OOM when allocating tensor")

    def numpy():
        np.zeros(2**55)

    for main in (tensorflow, numpy):
        with pytest.raises(SystemExit) as left:
            program.guarded(main)
        assert left.value.code == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: There is not enough memory: a smaller --batch_size")
    for error in (IndexError("a"), tf.errors.InvalidArgumentError(None, None, "b"), KeyError("c")):

        def fails(error=error):
            raise error

        with pytest.raises(type(error)):
            program.guarded(fails)
