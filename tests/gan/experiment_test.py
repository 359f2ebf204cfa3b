"""The program as a user runs it: to its report, again, listed, and with a user's mistakes."""

import json

import pytest
import tensorflow as tf

TINY = [
    "--name=stability",
    "--scale=small",
    "--dataset=digits",
    "--features=digits",
    "--steps=2",
    "--eval_samples=40",
    "--norms=bn",
    "--recoveries=coloring",
    "--settings=2e-4:A",
    "--generator_filters=8",
    "--discriminator_filters=8",
    "--batch_size=8",
]
CALLS = {
    "listed": [*TINY, "--norms=bn,itn", "--dry_run"],
    "done": [*TINY, "--out=X"],
    "again": [*TINY, "--out=X"],
    "list of a share": ["--name=stability", "--dry_run", "--shard=2/400"],
}
MISTAKES = {
    (): "--name is required: one of stability",
    ("--name=speed",): "must be one of stability",
    ("--name=cost",): "--out is required",
    (*TINY, "--out=X", "--steps=3"): "steps: 2 there, 3 now",
    (*TINY, "--out=X", "--loss=non_saturating"): "'hinge' there",
    (*TINY, "--out=gan"): "not empty",
    (*TINY, "--out=README.md"): "README.md",
    (*TINY, "--out=Y", "--shard=3/2"): "shard=3/2",
    (*TINY, "--out=Y", "--norms=bn-16"): "Received: norms=bn-16",
    (*TINY, "--out=Y", "--settings=2e-3"): "Received: settings=2e-3",
    (*TINY, "--out=Y", "--eval_samples=1"): "eval_samples=1",
    (*TINY, "--out=Y", "--loss=wasserstein"): "must be one of hinge, non_saturating",
    (*TINY, "--out=Y", "--archs=resnet"): "--archs is not a flag of stability",
    (*TINY, "--out=Y", "--strategy=multi_worker"): "must be one of default, mirrored",
    ("--name=cost", "--out=Y", "--features=digits"): "--features is not a flag of cost",
    ("--name=large", "--out=X"): "'stability' there, 'large' now",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("experiment")


@pytest.fixture(scope="module")
def answers(call, folder):
    """Exit code, standard output and standard error of each call, by its name or arguments."""
    calls = {**CALLS, **{arguments: arguments for arguments in MISTAKES}}
    places = {f"--out={name}": f"--out={folder / name}" for name in "XY"}
    return {
        name: call("gan.experiment", *(places.get(word, word) for word in words))
        for name, words in calls.items()
    }


def lines(answers, name):
    code, out, error = answers[name]
    assert (code, error) == (0, "")
    return out.splitlines()


def test_runs_are_listed_one_a_line(answers):
    bn, itn = lines(answers, "listed")
    assert bn == "bn_coloring_2e-4_A norm=bn"
    assert itn == "itn_coloring_2e-4_A norm=itn"
    assert len(lines(answers, "list of a share")) <= 1


def test_a_run_comes_to_a_report(answers, folder):
    run, there, wrote = lines(answers, "done")
    assert run.startswith("run 1/1 bn_coloring_2e-4_A") and "Fréchet distance" in run
    assert there == "1 of 1 runs are there."
    assert "table.md" in wrote
    out = folder / "X"
    text = (out / "table.md").read_text()
    for said in ("gan.experiment --name=stability", "seed: 0", "TensorFlow 2.", " cores"):
        assert said in text
    assert "reduced from the paper's" in text
    assert "steps 2 in place of 100000" in text and "1 of 345 runs" in text
    run = "bn_coloring_2e-4_A"
    history = (out / "runs" / run / "metrics.jsonl").read_text().splitlines()
    assert f"{json.loads(history[-1])['frechet_distance']:#.4g}" in text
    assert "step 2/2" in (out / "logs" / f"{run}.txt").read_text()
    assert tf.io.decode_png((out / "figure.png").read_bytes()).shape[0] > 400


def test_again_it_only_draws(answers):
    there, wrote = lines(answers, "again")
    assert there == "1 of 1 runs are there."
    assert "table.md" in wrote


def test_a_users_mistake_is_one_line(answers, folder):
    for arguments, said in MISTAKES.items():
        code, _, error = answers[arguments]
        (line,) = error.splitlines()
        assert code == 1
        assert line.startswith("error: ") and said in line, line
    assert not (folder / "Y").exists()
