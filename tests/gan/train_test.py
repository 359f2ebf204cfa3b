"""The program as a user runs it: killed, gone on with, complete, and with a user's mistakes."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = [
    "--preset=quickstart",
    "--generator_filters=8",
    "--discriminator_filters=8",
    "--batch_size=8",
    "--steps=60",
    "--log_every=5",
    "--checkpoint_every=10",
    "--eval_every=30",
    "--eval_samples=80",
]
STEPS = list(range(0, 61, 5))


def environment(tmp_path):
    return {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"} | {
        "XDG_CACHE_HOME": str(tmp_path)
    }


def start(tmp_path, *arguments, program="gan.train"):
    return subprocess.Popen(
        [sys.executable, "-m", program, *arguments],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, code=0):
    out, error = process.communicate(timeout=300)
    assert process.returncode == code, error
    return out, error


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("train")


@pytest.fixture(scope="module")
def uninterrupted(folder):
    run = folder / "uninterrupted"
    return run, *finish(start(folder, *FLAGS, f"--run_dir={run}"))


def test_a_run_leaves_what_the_readme_says(uninterrupted):
    run, out, error = uninterrupted
    assert error == ""
    names = {path.name for path in run.iterdir()}
    assert {"config.json", "metrics.jsonl", "checkpoints", "samples", "generator"} <= names
    assert json.loads((run / "config.json").read_text())["generator_filters"] == 8
    history = rows(run)
    assert [row["step"] for row in history] == STEPS
    assert [row["step"] for row in history if "frechet_distance" in row] == [0, 30, 60]
    assert {path.name for path in (run / "samples").iterdir()} == {
        "0000000.png",
        "0000030.png",
        "0000060.png",
    }
    assert tf.io.decode_png((run / "curves.png").read_bytes()).shape[2] == 4
    assert list((run / "events").glob("events.*"))
    final = history[-1]["frechet_distance"]
    assert f"{final:.3g}" in out or f"{final:.2f}" in out
    assert "step 60/60" in out


def test_the_same_command_again_says_that_the_run_is_complete(folder, uninterrupted):
    run = uninterrupted[0]
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    out, _ = finish(start(folder, *FLAGS, f"--run_dir={run}"))
    (line,) = out.splitlines()
    assert "complete" in line
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_killed_and_an_interrupted_run_end_where_an_uninterrupted_one_does(folder, uninterrupted):
    run = folder / "cut"
    arguments = [*FLAGS, f"--run_dir={run}"]
    process = start(folder, *arguments)
    wait_for(lambda: (run / "metrics.jsonl").exists() and len(rows(run)) > 1, process)
    process.kill()
    process.communicate()
    process = start(folder, *arguments)
    wait_for(lambda: len(rows(run)) > 8, process)
    process.send_signal(signal.SIGTERM)
    _, error = finish(process, code=1)
    (line,) = error.splitlines()
    assert line.startswith("error: Interrupted at step")
    out, _ = finish(start(folder, *arguments))
    assert "complete" in out
    assert [row["step"] for row in rows(run)] == STEPS
    assert (run / "config.json").read_text() == (uninterrupted[0] / "config.json").read_text()
    for cut, whole in zip(rows(run), rows(uninterrupted[0]), strict=True):
        assert cut.keys() == whole.keys()
        if "generator_loss" in whole:
            assert cut["generator_loss"] == pytest.approx(whole["generator_loss"], abs=1e-3)


def test_evaluate_measures_the_finished_generator(folder, uninterrupted):
    run = uninterrupted[0]
    process = start(folder, f"--run_dir={run}", "--eval_samples=100", program="gan.evaluate")
    out, error = finish(process)
    assert error == ""
    result = json.loads((run / "evaluation.json").read_text())
    assert result["generated_count"] == 100
    assert result["frechet_distance"] > 0
    assert "digits" in out


MISTAKES = {
    (): "--preset is required: one of quickstart",
    ("--preset=best",): "must be one of quickstart",
    ("--preset=quickstart",): "--run_dir is required",
    ("--preset=quickstart", "--run_dir=X", "--group_size=0"): "group_size=0",
    ("--preset=quickstart", "--run_dir=X", "--generator_filters=6"): "filters=6",
    ("--preset=quickstart", "--run_dir=X", "--steps=0"): "steps=0",
    ("--preset=quickstart", "--run_dir=X", "--norm=layer"): "must be one of none, bn",
    ("--preset=quickstart", "--run_dir=X", "--image_size=31"): "image_size=31",
    ("--preset=quickstart", "--run_dir=X", "--epsilon=-1"): "epsilon=-1",
    ("--preset=quickstart", "--run_dir=X", "--norm_momentum=2"): "momentum=2",
    ("--preset=quickstart", "--run_dir=X", "--features=nowhere"): "nowhere",
    ("--preset=mnist_dcgan", "--run_dir=X", "--features=digits"): "--data_dir",
    ("--preset=mnist_dcgan", "--run_dir=X", "--data_dir=/nowhere"): "/nowhere",
    ("--preset=quickstart", "--run_dir=README.md"): "README.md",
    ("--preset=quickstart", "--run_dir=gan"): "not empty",
}

# Each in a fork of a process that has imported the program.
CALLS = """
import json, os, sys
from gan import train
from tfnorm.training import program

for number, arguments in enumerate(json.loads(sys.argv[1])):
    child = os.fork()
    if not child:
        for name in (1, 2):
            os.dup2(os.open(f"{sys.argv[2]}/{number}.{name}", os.O_CREAT | os.O_WRONLY), name)
        sys.argv = ["gan.train", *arguments]
        program.run(train.main, train.USAGE, train.define_flags)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_users_mistake_is_one_line_and_loses_nothing(folder):
    answers = folder / "mistakes"
    answers.mkdir()
    calls = [
        [argument.replace("=X", f"={folder}/never") for argument in arguments]
        for arguments in MISTAKES
    ]
    codes = subprocess.run(
        [sys.executable, "-c", CALLS, json.dumps(calls), str(answers)],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for number, (arguments, said) in enumerate(MISTAKES.items()):
        error = (answers / f"{number}.2").read_text()
        assert codes[number] == "1", arguments
        assert (answers / f"{number}.1").read_text() == ""
        (line,) = error.splitlines()
        assert line.startswith("error: ")
        assert said in line, arguments
    assert not (folder / "never").exists()


def test_a_dry_run_shows_the_networks_and_writes_nothing(folder):
    out, error = finish(start(folder, "--preset=quickstart", "--dry_run", "--group_size=16"))
    assert error == ""
    assert "group_size: 16" in out
    assert "generator: " in out and " parameters" in out
    assert "norm_1: itn, " in out and "groups of 16" in out
