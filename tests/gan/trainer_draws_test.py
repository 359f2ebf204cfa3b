"""What a trainer draws: numbers of the step, the update and the use, and samples of their own."""

import numpy as np
import pytest
import tensorflow as tf

from gan import latents as random_numbers
from tests.gan.toy_trainer import batch, make


@pytest.fixture(autouse=True)
def eagerly():
    """A few steps each take less time than tracing one."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def trainer():
    return make()


def test_samples_are_the_same_each_time_and_as_many_as_asked(trainer):
    first, second = (np.concatenate(list(trainer.samples(7, batch_size=4))) for _ in range(2))
    assert first.shape == (7, 28, 28, 1)
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first[:, 14, 14])) == 7
    np.testing.assert_array_equal(trainer.fixed_samples(5), trainer.fixed_samples(5))


def test_fixed_samples_are_of_the_classes_in_turn(monkeypatch):
    trainer = make(conditional="acgan")
    monkeypatch.setattr(trainer, "_generate", lambda latent, labels: labels)
    assert trainer.fixed_samples(12).tolist() == [*range(10), 0, 1]


@pytest.fixture
def drawn(monkeypatch):
    """The stream and the index of all that is drawn, in order."""
    uses, key = [], random_numbers._key

    def noted(seed, stream, index):
        uses.append((stream, int(index)))
        return key(seed, stream, index)

    monkeypatch.setattr(random_numbers, "_key", noted)
    return uses


def test_no_two_updates_draw_the_same_numbers(drawn):
    trainer = make(gradient_penalty="wgan_gp")
    for step in range(2):
        trainer.step(step, batch(step))
    # Of two updates of the discriminator and one of the generator a step.
    assert [index for stream, index in drawn if stream == "training"] == list(range(6))
    assert [index for stream, index in drawn if stream == "penalty"] == [0, 1, 3, 4]
    assert len(drawn) == 6 + 4


def test_samples_are_of_no_latents_of_the_training(drawn, trainer):
    trainer.fixed_samples(5)
    list(trainer.samples(7, batch_size=4))
    assert drawn == [("fixed", 0), ("evaluation", 0), ("evaluation", 4)]


def test_the_generators_batch_may_be_larger(monkeypatch):
    """By a multiple, of as many latents, and of the last real images' classes again and again."""
    trainer = make(conditional="projection", generator_batch_multiple=3)
    given, generated = [], trainer._generated

    def noted(latent, labels):
        given.append((latent.numpy(), labels.numpy()))
        return generated(latent, labels)

    monkeypatch.setattr(trainer, "_generated", noted)
    real = batch(0)
    losses = trainer.step(0, real)
    assert [len(latent) for latent, _ in given] == [8, 8, 24]
    latent, labels = given[-1]
    assert len(np.unique(latent[:, 0])) == 24
    np.testing.assert_array_equal(labels, np.tile(real["labels"][-1], 3))
    assert np.isfinite(losses["generator_loss"])
