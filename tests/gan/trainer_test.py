"""Training steps: whose state changes when, and that nothing depends on where a run was cut."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from gan import presets
from gan.trainer import Trainer

CONFIG = dataclasses.replace(
    presets.PRESETS["quickstart"],
    image_size=28,
    generator_filters=8,
    discriminator_filters=8,
    batch_size=8,
    steps=10,
    n_dis=2,
)


def make(strategy=None, **changes):
    config = dataclasses.replace(CONFIG, **changes)
    return Trainer(config, 1, strategy or tf.distribute.get_strategy())


def batch(step, n_dis=2, size=8):
    images = np.random.default_rng(step).uniform(-1, 1, (n_dis, size, 28, 28, 1))
    return {"images": tf.constant(images, tf.float32)}


def values(model, trainable):
    weights = model.trainable_weights if trainable else model.non_trainable_weights
    return [weight.numpy() for weight in weights]


def changed(before, after):
    return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


@pytest.fixture(scope="module")
def trainer():
    return make()


def test_generator_statistics_move_in_generator_updates_only(trainer):
    before = values(trainer.generator, False), values(trainer.generator, True)
    trainer._update_discriminator(batch(0)["images"][0], tf.random.normal([8, 128]))
    assert not any(changed(before[0], values(trainer.generator, False)))
    assert not any(changed(before[1], values(trainer.generator, True)))
    trainer._update_generator(tf.random.normal([8, 128]))
    assert all(changed(before[0], values(trainer.generator, False)))
    assert all(changed(before[1], values(trainer.generator, True)))


def test_spectral_vectors_move_in_discriminator_updates_only(trainer):
    before = values(trainer.discriminator, False), values(trainer.discriminator, True)
    trainer._update_generator(tf.random.normal([8, 128]))
    assert not any(changed(before[0], values(trainer.discriminator, False)))
    assert not any(changed(before[1], values(trainer.discriminator, True)))
    trainer._update_discriminator(batch(0)["images"][0], tf.random.normal([8, 128]))
    assert all(changed(before[0], values(trainer.discriminator, False)))
    assert any(changed(before[1], values(trainer.discriminator, True)))


def test_a_step_is_n_dis_updates_and_one():
    trainer = make()
    trainer.step(0, batch(0))
    assert int(trainer.discriminator_optimizer.iterations) == 2
    assert int(trainer.generator_optimizer.iterations) == 1


def test_the_learning_rate_falls_to_zero_over_the_updates_of_each():
    trainer = make(learning_rate=0.1)
    for schedule, updates in (
        (trainer.generator_optimizer._learning_rate, 10),
        (trainer.discriminator_optimizer._learning_rate, 20),
    ):
        rates = [float(schedule(update)) for update in range(updates + 1)]
        np.testing.assert_allclose(rates, np.linspace(0.1, 0, updates + 1), atol=1e-7)


def test_samples_are_the_same_each_time_and_as_many_as_asked(trainer):
    first, second = (np.concatenate(list(trainer.samples(7, batch_size=4))) for _ in range(2))
    assert first.shape == (7, 28, 28, 1)
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first[:, 14, 14])) == 7
    np.testing.assert_array_equal(trainer.fixed_samples(5), trainer.fixed_samples(5))


def test_a_step_of_a_fresh_trainer_depends_on_the_seed_alone():
    losses = [make(seed=seed).step(3, batch(3)) for seed in (1, 1, 2)]
    assert float(losses[0]["generator_loss"]) == float(losses[1]["generator_loss"])
    assert float(losses[0]["generator_loss"]) != float(losses[2]["generator_loss"])


def test_another_step_has_other_latents():
    losses = [make().step(step, batch(0)) for step in (0, 1)]
    assert float(losses[0]["generator_loss"]) != float(losses[1]["generator_loss"])


def test_the_exported_generator_computes_what_the_generator_does(tmp_path, trainer):
    trainer.export(tmp_path / "generator")
    serve = tf.saved_model.load(str(tmp_path / "generator"))
    latent = tf.random.normal([3, 128])
    images = serve.signatures["serving_default"](latent=latent)["images"]
    np.testing.assert_allclose(images, trainer.generator(latent), atol=1e-6)


@pytest.mark.parametrize("change", [{"norm": "mine"}, {"generator_filters": 3}, {"group_size": 0}])
def test_a_configuration_that_cannot_be_built_is_a_value_error(change):
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f"Received: .*={value!r}"):
        make(**change)
