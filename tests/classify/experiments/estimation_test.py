"""The estimates' experiment: one training for both, the list of runs, and the report."""

import csv
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from classify import presets
from classify.experiments import estimation
from classify.experiments.two_estimates import TwoEstimatesTrainer
from classify.trainer import Trainer
from harness.errors import UserError
from harness.experiments.report import Report
from tests.outcomes import trained

CONFIG = dataclasses.replace(
    presets.whitened(presets.MLP, "zca", 4),  # of six channels: the last group is smaller
    depth=2,
    width=6,
    batch_size=16,
    learning_rate=0.1,
    schedule="constant",
)
SHAPE, CLASSES = (3, 3, 1), 4


def batch(seed, size=16):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(size, *SHAPE)).astype(np.float32)
    labels = rng.integers(CLASSES, size=size).astype(np.int32)
    return {"images": tf.constant(images), "labels": tf.constant(labels)}


@pytest.fixture(scope="module")
def trainers():
    """That of both estimates, and one of each, after the same steps."""
    tf.config.run_functions_eagerly(True)
    found = []
    for kind, estimate in (
        (TwoEstimatesTrainer, "covariance"),
        (Trainer, "covariance"),
        (Trainer, "matrix"),
    ):
        config = dataclasses.replace(CONFIG, estimate=estimate)
        keras.utils.set_random_seed(config.seed)
        found.append(kind(config, SHAPE, CLASSES, 10, tf.distribute.get_strategy()))
        for step in range(5):
            found[-1].step(step, batch(step))
    yield found
    tf.config.run_functions_eagerly(False)


def test_a_training_with_both_is_one_with_either(trainers):
    both, *single = ([w.numpy() for w in each.model.trainable_weights] for each in trainers)
    for weights in single:
        for a, b in zip(both, weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("of_matrix", [False, True])
def test_it_evaluates_as_each_does(trainers, of_matrix):
    both, by_covariance, by_matrix = trainers
    expected = (by_matrix if of_matrix else by_covariance)._logits(batch(9)["images"])
    classify = both._by_matrix if of_matrix else both._logits
    np.testing.assert_allclose(classify(batch(9)["images"]), expected, rtol=1e-4, atol=1e-5)
    other = (by_covariance if of_matrix else by_matrix)._logits(batch(9)["images"])
    assert not np.allclose(expected, other, atol=1e-3)


def test_one_evaluation_has_both(trainers):
    batches = [batch(7), batch(8, size=5)]
    # A generator: it can be gone through once.
    found = trainers[0].evaluate(each for each in batches)
    for trainer, prefix in zip(trainers[1:], ("", "matrix_"), strict=True):
        expected = trainer.evaluate(batches)
        assert found[f"{prefix}test_loss"] == pytest.approx(expected["test_loss"], rel=1e-5)
        assert found[f"{prefix}test_accuracy"] == expected["test_accuracy"]
    assert found["test_loss"] != pytest.approx(found["matrix_test_loss"], rel=1e-4)


def test_checkpoints_and_files_keep_both(trainers, tmp_path):
    whole = trainers[0]
    strategy = tf.distribute.get_strategy()
    keras.utils.set_random_seed(1)
    fresh = TwoEstimatesTrainer(CONFIG, SHAPE, CLASSES, 10, strategy)
    saved = tf.train.Checkpoint(**whole.state).save(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(**fresh.state).restore(saved)
    whole.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for model in (fresh.model, loaded):
        for a, b in zip(model.weights, whole.model.weights, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_the_runs():
    jobs = {job.name: job.config for job in estimation.jobs(estimation.EXPERIMENT.request())}
    assert len(jobs) == 2 * 2 * 6 * 7
    config = jobs["cd_rate_0.5_width_64_batch_1024_seed_0"]
    expected = dataclasses.replace(
        presets.PRESETS["mnist_mlp_cd"], width=64, batch_size=1024, learning_rate=0.5
    )
    assert config == expected
    # Figure I: ZCA and CD at these rates, all units of a layer being one group.
    assert {each.norm for each in jobs.values()} == {"zca", "cd"}
    assert {each.learning_rate for each in jobs.values()} == {0.5, 1.0}
    assert {each.group_size for each in jobs.values()} == {None}


def test_the_flags_choose():
    chosen = {"norms": ["itn"], "widths": ["8", "4", "8"], "batch_sizes": ["2"], "rates": ["1e-1"]}
    jobs = estimation.jobs(estimation.EXPERIMENT.request(scale="small", **chosen))
    assert [job.name for job in jobs] == [
        "itn_rate_0.1_width_4_batch_2_seed_0",
        "itn_rate_0.1_width_8_batch_2_seed_0",
    ]
    assert {job.config.epochs for job in jobs} == {estimation.SMALL_FIELDS["epochs"]}


def test_flags_override_what_comes_with_a_norm():
    changes = {"group_size": 4, "epsilon": 0.1, "norm_momentum": 0.5, "epochs": 1.0}

    request = estimation.EXPERIMENT.request(scale="small", overrides=changes)
    for job in estimation.jobs(request):
        assert {name: getattr(job.config, name) for name in changes} == changes
    # A flag that would change nothing is none.
    assert "learning_rate" not in estimation.EXPERIMENT.flag_names


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"norms": ["bn"]}, "Received: norms=bn"),
        ({"rates": ["nan"]}, "Received: learning_rate=nan"),
    ],
)
def test_what_there_is_not_is_refused(options, said):
    with pytest.raises((UserError, ValueError), match=said):
        estimation.jobs(estimation.EXPERIMENT.request(**options))


def test_seeds_follow_each_other():
    options = {"norms": ["cd"], "widths": ["4"], "batch_sizes": ["2"], "rates": ["1"], "seeds": 2}
    jobs = estimation.jobs(estimation.EXPERIMENT.request(**options, overrides={"seed": 5}))
    assert [(job.name, job.config.seed) for job in jobs] == [
        ("cd_rate_1_width_4_batch_2_seed_5", 5),
        ("cd_rate_1_width_4_batch_2_seed_6", 6),
    ]


def test_the_report(tmp_path):
    chosen = {"norms": ["zca", "cd"], "widths": ["16"], "batch_sizes": ["32"], "rates": ["1"]}
    jobs = estimation.jobs(estimation.EXPERIMENT.request(**chosen, seeds=2))
    rows = [
        [{"step": 9, "test_accuracy": 0.75, "matrix_test_accuracy": 0.5}],
        None,
        [{"step": 9, "test_accuracy": 0.5, "matrix_test_accuracy": 0.375}],
        None,
    ]
    outcomes = [trained(tmp_path, *each) for each in zip(jobs, rows, strict=True)]
    said = estimation.describe(outcomes[0])
    assert said == "accuracy 75.00 % by the covariance, 50.00 % by the matrix"
    estimation.report(outcomes, Report(tmp_path, "estimation", ["seed: 0, 1"]))
    with open(tmp_path / "table.csv", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == [
        ("zca", "1.0", "16", "32", "62.5", "43.75", "18.75", "12.5", "25.0", "2", "0"),
        ("cd", "1.0", "16", "32", "", "", "", "", "", "2", "2"),
    ]
    text = (tmp_path / "table.md").read_text()
    assert "| zca | 1.000 | 16 | 32 | 62.50 | 43.75 | 18.75 | 12.50 | 25.00 | 2 | 0 |" in text
    assert "mnist after 120 epochs" in text
    shape = tf.io.decode_png((tmp_path / "figure.png").read_bytes()).shape
    assert shape[0] > 300 and shape[1] > 600


def test_the_report_of_steps_names_no_epochs(tmp_path):
    chosen = {"norms": ["cd"], "widths": ["16"], "batch_sizes": ["32"], "rates": ["1"]}
    (job,) = estimation.jobs(estimation.EXPERIMENT.request(**chosen, overrides={"steps": 20}))
    row = {"step": 20, "test_accuracy": 0.75, "matrix_test_accuracy": 0.5}
    estimation.report([trained(tmp_path, job, [row])], Report(tmp_path, "estimation", []))
    assert "mnist after 20 steps, by moving" in (tmp_path / "table.md").read_text()
