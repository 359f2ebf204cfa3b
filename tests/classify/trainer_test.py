"""Training steps against NumPy: what is added to a gradient, whose statistics move, and when."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from classify.inputs import training_input_fn
from classify.parts import prepare
from classify.presets import PRESETS
from classify.run import Run
from classify.trainer import Trainer, measure

# Two dense layers with a ReLU between them, and no normalization.
CONFIG = dataclasses.replace(
    PRESETS["quickstart"], norm="none", depth=1, width=3, batch_size=8, schedule="constant"
)
SHAPE, CLASSES, STEPS = (2, 2, 1), 4, 10


def make(strategy=None, **changes):
    config = dataclasses.replace(CONFIG, **changes)
    strategy = strategy or tf.distribute.get_strategy()
    keras.utils.set_random_seed(config.seed)
    return Trainer(config, SHAPE, CLASSES, STEPS, strategy)


def batch(seed, size=8):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(size, *SHAPE)).astype(np.float32)
    labels = rng.integers(CLASSES, size=size).astype(np.int32)
    return {"images": tf.constant(images), "labels": tf.constant(labels)}


def values(weights):
    return [weight.numpy() for weight in weights]


@pytest.fixture(autouse=True)
def eagerly():
    """A few steps each take less time than tracing one."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def gradients(weights, images, labels):
    """Loss, accuracy and gradients of the network of `CONFIG`, by hand in float64."""
    w1, b1, w2, b2 = weights
    x = images.reshape(len(images), -1).astype(np.float64)
    before = x @ w1 + b1
    hidden = np.maximum(before, 0)
    logits = hidden @ w2 + b2
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(shares[rows, labels]).mean()
    accuracy = (logits.argmax(1) == labels).mean()
    error = shares
    error[rows, labels] -= 1
    error /= len(labels)
    back = (error @ w2.T) * (before > 0)
    return loss, accuracy, [x.T @ back, back.sum(0), hidden.T @ error, error.sum(0)]


@pytest.mark.parametrize("decayed", ["kernels", "all"])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_steps_are_sgds(momentum, nesterov, decayed):
    """Decay is coupled: it is in the gradient, and so in the velocity."""
    trainer = make(
        sgd_momentum=momentum,
        nesterov=nesterov,
        weight_decay=0.05,
        decayed=decayed,
        learning_rate=0.4,
        schedule="steps",
        decay_at="0.15,1/2",  # of ten steps: the third is the first at the second rate
        decay_rate=0.25,
    )
    weights = [value.astype(np.float64) for value in values(trainer.model.trainable_weights)]
    velocities = [np.zeros_like(weight) for weight in weights]
    for step, rate in enumerate([0.4, 0.4, 0.1, 0.1, 0.1, 0.025]):
        given = batch(step)
        logs = trainer.step(step, given)
        arrays = given["images"].numpy(), given["labels"].numpy()
        loss, accuracy, by_hand = gradients(weights, *arrays)
        assert float(logs["loss"]) == pytest.approx(loss, rel=1e-5)
        assert float(logs["accuracy"]) == pytest.approx(accuracy)
        for i, gradient in enumerate(by_hand):
            if decayed == "all" or weights[i].ndim == 2:
                gradient = gradient + 0.05 * weights[i]
            velocities[i] = momentum * velocities[i] - rate * gradient
            ahead = momentum * velocities[i] - rate * gradient
            weights[i] = weights[i] + (ahead if nesterov else velocities[i])
    for actual, expected in zip(values(trainer.model.trainable_weights), weights, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


def test_steps_keep_alpha_in_the_unit_interval():
    def alphas(kept):
        trainer = make(norm="unitization", alpha_constraint=kept, learning_rate=30.0)
        for step in range(3):
            trainer.step(step, batch(step))
        (alpha,) = [weight for weight in trainer.model.trainable_weights if weight.name == "alpha"]
        return alpha.numpy()

    free, kept = alphas(None), alphas("unit_interval")
    assert free.min() < 0 or free.max() > 1
    assert 0 <= kept.min() <= kept.max() <= 1


def test_what_decays_are_the_kernels_of_dense_layers_and_convolutions():
    changes = {"model": "resnet_cifar", "depth": 8, "width": 4, "norm": "unitization"}
    trainer = make(**changes, recovery="scale_shift")
    for layer in trainer.model.layers:
        for weight in layer.trainable_weights:
            kernel = isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
            is_kernel = kernel and weight is layer.kernel
            assert trainer._decays(weight) == is_kernel, weight.path
    assert all(map(make(decayed="all", **changes)._decays, trainer.model.trainable_weights))


def test_moving_statistics_move_in_training_and_not_in_evaluation():
    for norm in ("bn", "itn", "unitization"):
        trainer = make(norm=norm, group_size=2)
        before = values(trainer.model.non_trainable_weights)
        trained = values(trainer.model.trainable_weights)
        trainer.evaluate([batch(0), batch(1, size=3)])
        for a, b in zip(before, values(trainer.model.non_trainable_weights), strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(trained, values(trainer.model.trainable_weights), strict=True):
            np.testing.assert_array_equal(a, b)
        trainer.step(0, batch(0))
        moved = values(trainer.model.non_trainable_weights)
        assert before and all((a != b).any() for a, b in zip(before, moved, strict=True))


def test_the_same_seed_begins_the_same_and_another_does_not():
    runs = [Run(dataclasses.replace(CONFIG, seed=seed)) for seed in (1, 1, 2)]
    for run in runs:
        run.prepare()
    first, same, other = (run.parts.trainer.model.get_weights() for run in runs)
    assert all((a == b).all() for a, b in zip(first, same, strict=True))
    assert not np.allclose(first[0], other[0])


def test_a_run_that_goes_on_has_the_weights_of_one_that_was_not_cut(tmp_path):
    changes = {
        "norm": "itn",
        "group_size": 2,
        "sgd_momentum": 0.9,
        "learning_rate": 0.1,
        "schedule": "cosine",
    }
    whole, cut = make(**changes), make(**changes)
    for step in range(6):
        whole.step(step, batch(step))
    for step in range(3):
        cut.step(step, batch(step))
    saved = tf.train.Checkpoint(**cut.state).save(str(tmp_path / "checkpoint"))
    resumed = make(**changes, seed=5)
    tf.train.Checkpoint(**resumed.state).restore(saved)
    for step in range(3, 6):
        resumed.step(step, batch(step))
    for a, b in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert not np.allclose(cut.model.get_weights()[0], whole.model.get_weights()[0], atol=1e-4)


def test_batches_of_2_run_across_epochs():
    """No step has fewer images, and after two epochs each was seen twice."""
    config = dataclasses.replace(CONFIG, norm="bn", batch_size=2, train_size=5, epochs=2.0)
    parts = prepare(config, tf.distribute.get_strategy())
    assert (parts.steps, len(parts.training.labels)) == (5, 5)
    images = dataclasses.replace(parts.training, labels=np.arange(5))
    make_batches = training_input_fn(images, 2, "none", parts.scaling, seed=config.seed)
    seen = []
    for step, given in zip(range(5), make_batches(tf.distribute.InputContext()), strict=False):
        assert given["images"].shape == (2, 8, 8, 1)
        logs = parts.trainer.step(step, given)
        assert float(logs["accuracy"]) in (0, 0.5, 1) and np.isfinite(logs["loss"])
        seen += given["labels"].numpy().tolist()
    assert sorted(seen) == sorted(2 * list(range(5)))


def test_a_weight_that_is_not_finite_is_seen():
    trainer = make()
    assert trainer.is_finite()
    bias = trainer.model.trainable_weights[-1]
    bias.assign(np.where(np.arange(CLASSES) == 1, np.inf, 0))
    assert not trainer.is_finite()


def test_measure():
    nan = np.nan
    logits = np.array(
        [
            [9, 0, 1, 2, 3, 4, 5],  # right
            [0, 9, 1, 2, 3, 4, 5],  # right
            [5, 4, 3, 9, 1, 2, 0],  # of class 0, which is second
            [5, 4, 3, 2, 1, 9, 0],  # of class 4, which is sixth
            [7, 7, 7, 7, 7, 7, 7],  # a tie of all
            [8, 1, 8, 0, 0, 0, 0],  # a tie of two
            [nan, nan, nan, nan, nan, nan, nan],
            [0, nan, 9, 1, 1, 1, 1],  # of class 2, and one output is NaN
        ]
    )
    labels = np.array([0, 1, 0, 4, 0, 2, 1, 2])
    # Of these ties and NaNs, no class is ahead of the others.
    right = np.array([1, 1, 0, 0, 0, 0, 0, 0])
    first_five = np.array([1, 1, 1, 0, 0, 1, 0, 1])
    rows = [slice(0, 3), slice(3, 8)]
    batches = [
        {"images": tf.constant(logits[row], tf.float32), "labels": tf.constant(labels[row])}
        for row in rows
    ]
    measured = measure(lambda images: images, batches)
    assert measured["test_accuracy"] == right.mean()
    assert measured["test_top5_accuracy"] == first_five.mean()
    assert np.isnan(measured["test_loss"])
    assert measured["test_class_accuracies"] == [1 / 3, 1 / 2, 0.0, None, 0.0, None, None]
    finite = measure(lambda images: images, batches[:1])
    shares = np.exp(logits[:3]) / np.exp(logits[:3]).sum(1, keepdims=True)
    expected = -np.log(shares[np.arange(3), labels[:3]]).mean()
    assert finite["test_loss"] == pytest.approx(expected, rel=1e-6)


def test_of_few_classes_all_are_among_the_first_five():
    images = tf.constant(np.eye(4), tf.float32)
    measured = measure(
        lambda images: images, [{"images": images, "labels": tf.constant([1, 2, 3, 0])}]
    )
    assert (measured["test_accuracy"], measured["test_top5_accuracy"]) == (0.0, 1.0)
