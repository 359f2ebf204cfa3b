"""The program as a user runs it: complete, again, with mistakes. Kills: `tests.faults.kills`."""

import json
import subprocess
import sys

import pytest
import tensorflow as tf

from harness.errors import UserError
from harness.outputs import check_file
from tests.calls import ROOT, environment

FLAGS = [
    "--preset=quickstart",
    "--generator_filters=8",
    "--discriminator_filters=8",
    "--batch_size=8",
    "--steps=60",
    "--log_every=5",
    "--checkpoint_every=10",
    "--eval_every=30",
    "--eval_samples=60",
]
STEPS = list(range(0, 61, 5))


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("train")


@pytest.fixture(scope="module")
def uninterrupted(folder):
    """A run to its end, and what it said."""
    run = folder / "uninterrupted"
    process = subprocess.run(
        [sys.executable, "-m", "gan.train", *FLAGS, f"--run_dir={run}"],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return run, process.stdout, process.stderr


def test_a_run_leaves_what_the_readme_says(uninterrupted):
    run, out, error = uninterrupted
    assert error == ""
    names = {path.name for path in run.iterdir()}
    assert {"config.json", "metrics.jsonl", "checkpoints", "samples", "generator"} <= names
    for path in run.iterdir():
        with pytest.raises(UserError, match="is a part of the run there$"):
            check_file("out", path / "x" if path.is_dir() else path)
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
    # Once, and not with each of three measurements.
    few = "Warning: 60 images of samples and 60 images of digits test are fewer than the 64"
    assert out.count(few) == out.count("images of samples") == 1


def test_the_same_command_again_says_that_the_run_is_complete(call, uninterrupted):
    run = uninterrupted[0]
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    code, out, error = call("gan.train", *FLAGS, f"--run_dir={run}")
    assert (code, error) == (0, "")
    (line,) = out.splitlines()
    assert "complete" in line
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_evaluate_measures_the_finished_generator(call, uninterrupted):
    run = uninterrupted[0]
    code, out, error = call("gan.evaluate", f"--run_dir={run}", "--eval_samples=100")
    assert (code, error) == (0, "")
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


def test_a_users_mistake_is_one_line_and_loses_nothing(folder, call):
    for arguments, said in MISTAKES.items():
        there = [argument.replace("=X", f"={folder}/never") for argument in arguments]
        code, out, error = call("gan.train", *there)
        assert (code, out) == (1, ""), arguments
        (line,) = error.splitlines()
        assert line.startswith("error: ")
        assert said in line, arguments
    assert not (folder / "never").exists()


def test_a_dry_run_shows_the_networks_and_writes_nothing(call):
    code, out, error = call("gan.train", "--preset=quickstart", "--dry_run", "--group_size=16")
    assert (code, error) == (0, "")
    assert "group_size: 16" in out
    assert "generator: " in out and " parameters" in out
    assert "norm_1: itn, " in out and "groups of 16" in out
