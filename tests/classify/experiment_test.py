"""The program as a user runs it: to a report, again, listed, and with a user's mistakes."""

import json

import pytest
import tensorflow as tf

TIME = ("--name=time", "--scale=small", "--archs=mlp", "--width=4", "--batch_size=4")
ONE = (*TIME, "--norms=itn-2", "--rounds=1", "--image_size=32")
MICRO = ("--name=micro_batch", "--scale=small", "--dataset=digits", "--steps=2", "--train_size=9")
TRAINED = (*MICRO, "--depth=8", "--width=2", "--norms=bn,gn_c1", "--seeds=1")
DISTURBANCE = ("--name=disturbance", "--out=Y")
# X is the experiment of the tests before, Y and Z are not there.
MISTAKES = {
    (): "--name is required: one of micro_batch",
    ("--name=speed",): "must be one of micro_batch",
    ("--name=time",): "--out is required",
    ("--name=time", "--out=Y", "--epochs=1"): "--epochs is not a flag of time, which takes archs,",
    ("--name=vgg", "--out=Y", "--rounds=1"): "--rounds is not a flag of vgg",
    ("--name=imagenet", "--out=Y", "--estimates=matrix"): "--estimates is not a flag of imagenet",
    ("--name=micro_batch", "--out=Y", "--archs=vgg19"): "--archs is not a flag of micro_batch",
    ("--name=vgg", "--out=Y", "--norms=bn-16"): "Received: norm='bn-16'",
    ("--name=time", "--out=Y", "--norms=layer"): "Received: norm='layer'",
    ("--name=micro_batch", "--out=Y", "--norms=gn"): "Received: norms=gn",
    ("--name=imagenet", "--out=Y", "--norms=itn"): "Received: norms=itn",
    ("--name=time", "--out=Y", "--archs=vgg16"): "Received: archs=vgg16",
    (*TIME, "--out=Y", "--rounds=0"): "Received: rounds=0",
    (*TIME, "--out=Y", "--image_size=none"): "Received: image_size=none",
    (*TIME, "--out=Z", "--norms=gn-3"): "Run mlp: The channels of each normalization must",
    (*MICRO, "--out=Y", "--seeds=0"): "Received: seeds=0",
    (*MICRO, "--out=Y", "--rates=0.1234567,0.1234568"): "learning_rate=0.1234567 and learning_rate="
    "0.1234568, both gn_g1_rate_0.123457_seed_0",
    (
        "--name=gain",
        "--out=Y",
        "--batch_sizes=128",
        "--rates=0.1001,0.1002",
    ): "must be asked for once. Received: bn_batch_128_rate_0.2_seed_0, bn_",
    (*MICRO, "--out=Y", "--strategy=multi_worker"): "must be one of default, mirrored",
    (
        *DISTURBANCE,
        "--sweeps=width",
    ): "must be of layers, dimension, batch_size, group_size, iterations",
    (*DISTURBANCE, "--sweeps=layers"): "give its directory as --run_dir",
    (*DISTURBANCE, "--sweeps=dimension", "--run_dir=Y"): "for the sweep layers alone",
    (*DISTURBANCE, "--run_dir=Y"): "There is no run in Y: it has no config.json",
    (*DISTURBANCE, "--norms=ln"): "Received: norms=ln",
    (*DISTURBANCE, "--normalizer=max"): "must be one of sqrt, dimension",
    (*DISTURBANCE, "--batches=1"): "Received: batches=1",
    (*DISTURBANCE, "--samples=0"): "Received: samples=0",
    (*DISTURBANCE, "--epsilon=-1"): "Received: epsilon=-1",
    (*DISTURBANCE, "--batch_size=100000"): "Received: batch_size=100000",
    (*DISTURBANCE, "--sweeps=dimension", "--train_size=5"): "Received: train_size=5",
    (*DISTURBANCE, "--sweeps=dimension", "--data_dir=Y"): "Received: data_dir=Y",
    (*DISTURBANCE, "--sweeps=iterations", "--iterations=7"): "vary it. Received: iterations=7",
    ("--name=time", "--out=Y", "--run_dir=Y"): "--run_dir is not a flag of time",
    ("--name=time", "--out=Y", "--batches=9"): "--batches is not a flag of time",
    (*ONE, "--norms=itn-4", "--out=X"): "norms: 'bn,none,itn-2' there",
    (*TRAINED, "--out=X"): "'time' there, 'micro_batch' now",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("experiment")


@pytest.fixture(scope="module")
def call(call, folder):
    """Calls the program, with T, X, Y and Z of --out in the folder."""
    places = {f"--out={name}": f"--out={folder / name}" for name in "TXYZ"}
    return lambda *words: call("classify.experiment", *(places.get(word, word) for word in words))


@pytest.fixture(scope="module")
def timed(call):
    return lines(call(*ONE, "--out=X"))


def lines(answer):
    code, out, error = answer
    assert (code, error) == (0, "")
    return out.splitlines()


def test_runs_are_listed_one_a_line(call):
    assert lines(call(*TRAINED, "--dry_run")) == [
        "bn_seed_0 norm=bn group_size=None",
        "gn_c1_seed_0 norm=gn group_size=1",
    ]
    assert len(lines(call("--name=vgg", "--dry_run"))) == 49
    listed = lines(call("--name=disturbance", "--dry_run", "--norms=bn", "--seed=3"))
    assert [line.split()[0] for line in listed] == [
        "dimension",
        "batch_size",
        "group_size",
        "iterations",
    ]
    assert "values=2,4,8," in listed[2] and "dimension=512" in listed[2]
    assert len(lines(call("--name=imagenet", "--dry_run", "--shard=1/9"))) == 3


def test_steps_are_timed_and_reported(timed, folder):
    run, there, wrote = timed
    assert run.startswith("run 1/1 mlp: 3 networks timed, 1 rounds, ")
    assert there == "1 of 1 runs are there."
    assert "table.md" in wrote
    text = (folder / "X" / "table.md").read_text()
    assert "width 4 in place of 256, image_size 32 in place of 28" in text
    assert "seed: 0" in text and "1 of 6 runs" in text
    found = json.loads((folder / "X" / "runs" / "mlp" / "seconds.json").read_text())
    assert [(row["norm"], row["variant"]) for row in found["rows"]] == [
        ("bn", "plain"),
        ("none", "plain"),
        ("itn-2", "plain"),
    ]
    bn, none, *_ = found["rows"]
    assert (bn["ratio"], none["share"]) == (1.0, 0.0)
    for row in found["rows"]:
        assert f"| {row['seconds']:#.4g} | {row['ratio']:#.4g} |" in text
    assert tf.io.decode_png((folder / "X" / "figure_mlp.png").read_bytes()).shape[0] > 200


def test_again_it_only_draws(timed, call, folder):
    (folder / "X" / "table.md").unlink()
    there, _ = lines(call(*ONE, "--out=X"))
    assert there == "1 of 1 runs are there."
    assert (folder / "X" / "table.md").exists()


def test_classifiers_are_trained_in_shares(call, folder):
    first, there, _ = lines(call(*TRAINED, "--out=T", "--shard=2/2"))
    assert first.startswith("run 1/1 ") and " accuracy " in first
    assert there == "1 of 2 runs are there."
    second, there, _ = lines(call(*TRAINED, "--out=T"))
    assert second.startswith("run ") and second.split()[2] != first.split()[2]
    assert there == "2 of 2 runs are there."
    text = (folder / "T" / "table.md").read_text()
    for norm in ("bn", "gn_c1"):
        history = (folder / "T" / "runs" / f"{norm}_seed_0" / "metrics.jsonl").read_text()
        accuracy = 100 * json.loads(history.splitlines()[-1])["test_accuracy"]
        assert f"| {accuracy:#.4g} |" in text


def test_a_users_mistake_is_one_line(timed, call, folder):
    for words, said in MISTAKES.items():
        code, _, error = call(*words)
        (line,) = error.splitlines()
        assert code == 1
        assert line.startswith("error: ") and said in line, (said, line)
    assert not (folder / "Y").exists()
    assert not (folder / "Z" / "runs").exists()
