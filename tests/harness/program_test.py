"""Flags from a configuration, and a user's mistakes as one line."""

import json

import pytest

PROGRAM = """
import dataclasses, json, os, sys
from harness import program

def field(default, group, help):
    return dataclasses.field(default=default, metadata={"group": group, "help": help})

@dataclasses.dataclass(frozen=True)
class Config:
    steps: int = field(10, "Training", "Updates.")
    rate: float = field(0.5, "Training", "Per step.")
    groups: int | None = field(16, "Network", "Channels.")
    kind: str = field("a", "Network", "Kind.")
    flat: bool = field(True, "Network", "Whether flat.")

def define():
    program.define_flags(Config, {"kind": ["a", "b"]})

def main():
    config = program.override(Config())
    if config.steps < 0:
        raise program.UserError(f"steps must not be negative,\\n received {config.steps}")
    print(dataclasses.astuple(config))

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
    ("--steps=-1",): "received -1",
    ("--steps=many",): "many",
    ("--kind=c",): "must be one of a, b",
    ("--speed=1",): "speed",
    ("steps=3",): "steps=3",
    ("--steps=none",): "none",
}
OVERRIDES = {
    (): "(10, 0.5, 16, 'a', True)",
    (
        "--rate=2",
        "--groups=none",
        "--kind=b",
        "--noflat",
        "--steps=3",
    ): "(3, 2.0, None, 'b', False)",
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
    assert text.index("Training:") < text.index("--steps=<int>") < text.index("--rate=<float>")
    assert text.index("Network:") < text.index("--groups=<int>|none") < text.index("--kind=a|b")
    assert "--[no]flat" in text
