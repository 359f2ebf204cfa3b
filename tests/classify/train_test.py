"""The program as a user runs it: to its end, again, and measured. Kills: `tests.faults.kills`."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from harness import sealed
from harness.errors import UserError
from harness.outputs import check_file
from tests.calls import ROOT, environment

FLAGS = [
    "--preset=quickstart",
    "--width=16",
    "--depth=2",
    "--group_size=4",
    "--batch_size=64",
    "--steps=600",
    "--log_every=5",
    "--checkpoint_every=20",
    "--eval_every=150",
    "--fold",
]
STEPS = list(range(0, 601, 5))


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("train")


@pytest.fixture(scope="module")
def whole(folder):
    """A run to its end, and what it said."""
    run = folder / "whole"
    process = subprocess.run(
        [sys.executable, "-m", "classify.train", *FLAGS, f"--run_dir={run}"],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return run, process.stdout, process.stderr


def test_a_run_leaves_what_it_came_to(whole):
    run, out, error = whole
    assert error == ""
    files = {
        ".config.json",
        "config.json",
        "data.json",
        "metrics.jsonl",
        "scaling.npz",
        "best.keras",
        "curves.png",
    }
    folders = {"checkpoints", "events", "model", "model_folded"}
    assert {path.name for path in run.iterdir()} == files | folders
    for path in run.iterdir():
        with pytest.raises(UserError, match="is a part of the run there$"):
            check_file("out", path / "x" if path.is_dir() else path)
    config = json.loads((run / "config.json").read_text())
    assert (config["width"], config["group_size"], config["fold"]) == (16, 4, True)
    history = rows(run)
    assert [row["step"] for row in history] == STEPS
    assert [row["step"] for row in history if "test_accuracy" in row] == [0, 150, 300, 450, 600]
    assert all("loss" in row for row in history[1:])
    assert history[0]["test_accuracy"] < 0.3 < 0.85 < history[-1]["test_accuracy"]
    assert f"test_accuracy {history[-1]['test_accuracy']:.4f}, " in out
    assert "step 600/600" in out
    assert "norm_2: itn, 16 channels, groups of 4" in out
    assert "1,437 training and 360 test images, 10 classes; an epoch is 22 steps." in out
    assert len(list((run / "checkpoints").glob("*.index"))) == 2
    assert list((run / "events").glob("events.*"))
    assert tf.io.decode_png((run / "curves.png").read_bytes()).shape[2] == 4


def test_a_complete_run_is_not_trained_again(call, whole):
    run = whole[0]
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    code, out, error = call("classify.train", *FLAGS, f"--run_dir={run}", "--log_every=7")
    assert (code, error) == (0, "")
    (line,) = out.splitlines()
    assert "complete" in line
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_run_does_not_go_on_with_other_images(folder, call, whole):
    run = folder / "other"
    shutil.copytree(whole[0], run)
    shutil.rmtree(run / "model")
    sealed.write(run / "data.json", sealed.read(run / "data.json") | {"train_images": 5})
    code, _, error = call("classify.train", *FLAGS, f"--run_dir={run}")
    assert code == 1
    (line,) = error.splitlines()
    assert "holds a run on other images (train_images: 5 then, 1437 now)" in line


def test_a_complete_run_is_folded_afterwards(folder, call, whole):
    run = folder / "folded_later"
    shutil.copytree(whole[0], run)
    shutil.rmtree(run / "model_folded")
    history = (run / "metrics.jsonl").read_text()
    code, out, error = call("classify.train", *FLAGS, f"--run_dir={run}")
    assert (code, error) == (0, "")
    assert "Folded 2 of 2 normalizations" in out
    assert (run / "model_folded").exists()
    assert (run / "metrics.jsonl").read_text() == history


def test_a_dry_run_shows_the_network_and_writes_nothing(folder, call):
    never = folder / "never"
    code, out, error = call(
        "classify.train", *FLAGS, "--dry_run", "--norm=zca", f"--run_dir={never}"
    )
    assert (code, error) == (0, "")
    assert "norm: zca  # changed" in out
    # 64 inputs, two layers of 16, 10 classes, and neither scale nor shift.
    assert f"mlp_2: {64 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10:,} parameters" in out
    assert "  norm_1: zca, 16 channels, groups of 4\n" in out
    assert not never.exists()


# As someone who has TensorFlow only, and images as they are stored.
SERVED = """
import sys
import numpy as np
import tensorflow as tf

images = np.load("images.npy")
for name, path in zip(("logits", "folded"), sys.argv[1:]):
    logits = tf.saved_model.load(path).signatures["serving_default"](images=images)["logits"]
    np.save(name, logits)
assert not {"classify", "tfnorm"} & set(sys.modules)
"""


def test_the_models_are_served_by_tensorflow_alone(folder, whole):
    run = whole[0]
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels[1437:] * 255 / 16).reshape(-1, 8, 8, 1).astype(np.float32)
    np.save(folder / "images.npy", images)
    program = [sys.executable, "-c", SERVED, run / "model", run / "model_folded"]
    subprocess.run(program, cwd=folder, env=environment(folder), check=True)
    logits, folded = (np.load(folder / f"{name}.npy") for name in ("logits", "folded"))
    accuracy = (logits.argmax(1) == labels[1437:]).mean()
    assert accuracy == pytest.approx(rows(run)[-1]["test_accuracy"], abs=1e-9)
    np.testing.assert_allclose(folded, logits, atol=1e-4 * np.abs(logits).max())
    # The one whitens by matrices, and the other does not whiten.
    graphs = [(run / name / "saved_model.pb").read_bytes() for name in ("model", "model_folded")]
    assert [b"moving_matrix" in graph for graph in graphs] == [True, False]
    assert not any(b"moving_covariance" in graph for graph in graphs)


def test_evaluate_measures_what_was_measured(folder, call, whole):
    run = whole[0]
    given = ["--dataset=digits", "--image_size=8", "--test_split=train"]
    calls = {
        "best": [f"--run_dir={run}", "--which=best"],
        "folded": [f"--run_dir={run}", "--which=folded"],
        "train": [f"--saved_model={run}/model", *given],
    }
    for name, arguments in calls.items():
        code, _, error = call("classify.evaluate", *arguments, f"--out={folder / name}.json")
        assert (code, error) == (0, "")
    code, out, error = call("classify.evaluate", f"--run_dir={run}")
    assert (code, error) == (0, "")
    best, folded, train = (json.loads((folder / f"{name}.json").read_text()) for name in calls)
    last = json.loads((run / "evaluation.json").read_text())
    measured = [row for row in rows(run) if "test_accuracy" in row]
    for name in ("test_accuracy", "test_top5_accuracy", "test_loss"):
        assert last[name] == pytest.approx(measured[-1][name], rel=1e-5)
        assert folded[name] == pytest.approx(measured[-1][name], rel=1e-4)
    assert [result["step"] for result in (last, folded, best, train)] == [600, 600, None, None]
    assert best["test_accuracy"] == max(row["test_accuracy"] for row in measured)
    assert f"test_accuracy {last['test_accuracy']:.4f}, " in out
    assert (last["dataset"], last["split"], last["images"]) == ("digits", "test", 360)
    counts = np.bincount(load_digits().target[1437:])
    right = np.dot(counts, last["test_class_accuracies"])
    assert right == pytest.approx(360 * last["test_accuracy"])
    assert f"class 3: {last['test_class_accuracies'][3]:.2%}\n" in out
    assert (train["images"], train["split"]) == (1437, "train")
    assert train["test_accuracy"] > 0.95
    assert {"tfnorm", "tensorflow", "keras"} == last["versions"].keys()
