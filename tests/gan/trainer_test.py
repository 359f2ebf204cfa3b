"""Training steps: whose state changes when, and what losses are of."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan.latents import latents, uniforms
from gan.penalties import PENALTIES
from tests.gan.toy_trainer import batch, make


def values(model, trainable):
    weights = model.trainable_weights if trainable else model.non_trainable_weights
    return [weight.numpy() for weight in weights]


def changed(before, after):
    return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


@pytest.fixture(autouse=True)
def eagerly():
    """A few steps each take less time than tracing one."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def trainer():
    return make()


def test_generator_statistics_move_in_generator_updates_only(trainer):
    before = values(trainer.generator, False), values(trainer.generator, True)
    trainer._update_discriminator(batch(0)["images"][0], None, 0)
    assert not any(changed(before[0], values(trainer.generator, False)))
    assert not any(changed(before[1], values(trainer.generator, True)))
    trainer._update_generator(None, 0)
    assert all(changed(before[0], values(trainer.generator, False)))
    assert all(changed(before[1], values(trainer.generator, True)))


def test_spectral_vectors_move_in_discriminator_updates_only(trainer):
    before = values(trainer.discriminator, False), values(trainer.discriminator, True)
    trainer._update_generator(None, 0)
    assert not any(changed(before[0], values(trainer.discriminator, False)))
    assert not any(changed(before[1], values(trainer.discriminator, True)))
    trainer._update_discriminator(batch(0)["images"][0], None, 0)
    assert all(changed(before[0], values(trainer.discriminator, False)))
    assert any(changed(before[1], values(trainer.discriminator, True)))


def test_a_step_is_n_dis_updates_and_one():
    trainer = make()
    trainer.step(0, batch(0))
    assert int(trainer.discriminator_optimizer.iterations) == 2
    assert int(trainer.generator_optimizer.iterations) == 1


def test_an_update_is_of_its_own_images_and_labels(monkeypatch):
    trainer, given, seen = make(conditional="acgan"), batch(0), []

    def noted(real, labels, index):
        seen.append((real, labels))
        return tf.constant(0.0)

    monkeypatch.setattr(trainer, "_update_discriminator", noted)
    trainer.step(0, given)
    for (real, labels), *truth in zip(seen, given["images"], given["labels"], strict=True):
        np.testing.assert_array_equal(real, truth[0])
        np.testing.assert_array_equal(labels, truth[1])


@pytest.mark.parametrize("network", ["generator", "discriminator"])
@pytest.mark.parametrize("place", [0, -1])
def test_a_weight_that_is_not_finite_is_seen(trainer, network, place):
    assert trainer.is_finite()
    weight = getattr(trainer, network).weights[place]
    before = weight.numpy()
    weight.assign(np.full(weight.shape, np.inf))
    assert not trainer.is_finite()
    weight.assign(before)


def test_the_learning_rate_falls_to_zero_over_the_updates_of_each():
    trainer = make(learning_rate=0.1)
    for schedule, updates in (
        (trainer.generator_optimizer._learning_rate, 10),
        (trainer.discriminator_optimizer._learning_rate, 20),
    ):
        rates = [float(schedule(update)) for update in range(updates + 1)]
        np.testing.assert_allclose(rates, np.linspace(0.1, 0, updates + 1), atol=1e-7)


def test_an_update_of_a_fresh_trainer_depends_on_the_seed_alone():
    losses = [float(make(seed=seed)._update_generator(None, 3)) for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


CONDITIONAL = [
    {"conditional": "projection"},
    {"conditional": "projection", "discriminator_spectral": False},
    {"conditional": "acgan"},
    {"conditional": "projection", "recovery": "coloring", "generator_spectral": True},
    {"conditional": "acgan", "recovery": "factorized_coloring"},
]


@pytest.mark.parametrize(
    "options", CONDITIONAL, ids=lambda value: "-".join(map(str, value.values()))
)
def test_conditional(options):
    # The gradients of a hinge loss may cancel in a bias.
    trainer = make(loss="non_saturating", **options)
    before = values(trainer.generator, True), values(trainer.discriminator, True)
    losses = trainer.step(0, batch(0))
    assert all(np.isfinite(loss) for loss in losses.values())
    # But for the rows of classes that were not in the batch, everything learns.
    assert all(changed(before[0], values(trainer.generator, True)))
    assert all(changed(before[1], values(trainer.discriminator, True)))
    assert trainer.fixed_samples(20).shape == (20, 28, 28, 1)
    assert len(np.concatenate(list(trainer.samples(5)))) == 5


def test_rows_of_classes_that_come_twice_get_one_gradient():
    """Adam's second moment is the square of the sum over samples of a class, not the contrary."""
    trainer = make(conditional="projection", discriminator_spectral=False)
    trainer._update_discriminator(batch(0)["images"][0], tf.constant([3, 3, 3, 3, 5, 5, 1, 1]), 0)
    optimizer = trainer.discriminator_optimizer
    variable = next(w for w in trainer.discriminator.trainable_weights if "embedding" in w.path)
    index = [w.path for w in trainer.discriminator.trainable_variables].index(variable.path)
    first, second = optimizer._momentums[index].numpy(), optimizer._velocities[index].numpy()
    beta1, beta2 = trainer.config.beta1, trainer.config.beta2
    np.testing.assert_allclose(second / (1 - beta2), (first / (1 - beta1)) ** 2, rtol=1e-4)


def fresh(**options):
    """A trainer without spectral normalization, and its first real and generated images."""
    trainer = make(discriminator_spectral=False, **options)
    real = batch(0)
    latent = latents(trainer.config.seed, "training", 0, 8, 128)
    labels = None if trainer.num_classes is None else real["labels"][0]
    with keras.StatelessScope():
        generated = trainer._generated(latent, labels)
    return trainer, real["images"][0], labels, generated


def hinge(real_logits, generated_logits):
    return np.maximum(0, 1 - real_logits).mean() + np.maximum(0, 1 + generated_logits).mean()


def cross_entropy(logits, labels):
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return -np.log(shares[np.arange(len(labels)), labels]).mean()


def test_ac_gan_adds_the_cross_entropies():
    trainer, real, labels, generated = fresh(conditional="acgan")
    (real_logits, classes), (generated_logits, others) = (
        [value.numpy() for value in trainer.discriminator(x)] for x in (real, generated)
    )
    expected = hinge(real_logits, generated_logits) + cross_entropy(classes, labels.numpy())
    generator_loss = -generated_logits.mean() + 0.1 * cross_entropy(others, labels.numpy())
    assert float(trainer._update_generator(labels, 0)) == pytest.approx(generator_loss, rel=1e-4)
    trainer, *_ = fresh(conditional="acgan")
    assert float(trainer._update_discriminator(real, labels, 0)) == pytest.approx(expected, 1e-4)


@pytest.mark.parametrize("name", ["wgan_gp", "dragan"])
def test_the_penalty_is_added_with_its_weight(name):
    trainer, real, _, generated = fresh(gradient_penalty=name, gradient_penalty_weight=3.0)
    uniform = uniforms(trainer.config.seed, "penalty", 0, [8, 28, 28, 2])
    points = PENALTIES[name](real, generated, uniform)
    with tf.GradientTape() as tape:
        tape.watch(points)
        logits = trainer.discriminator(points)
    slopes = np.sqrt((tape.gradient(logits, points).numpy() ** 2).sum((1, 2, 3)))
    real_logits, generated_logits = (trainer.discriminator(x).numpy() for x in (real, generated))
    expected = hinge(real_logits, generated_logits) + 3.0 * ((1 - slopes) ** 2).mean()
    assert float(trainer._update_discriminator(real, None, 0)) == pytest.approx(expected, rel=1e-4)


def test_the_penalty_moves_no_spectral_vector():
    vectors = []
    for penalty in ("none", "wgan_gp"):
        trainer = make(gradient_penalty=penalty)
        trainer._update_discriminator(batch(0)["images"][0], None, 0)
        vectors.append([w.numpy() for w in trainer.discriminator.non_trainable_weights])
    for one, other in zip(*vectors, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_average_follows_the_generator():
    trainer = make(ema_decay=0.75)
    expected = trainer.generator.get_weights()
    for step in range(2):
        trainer.step(step, batch(step))
        expected = [
            0.75 * mean + 0.25 * new
            for mean, new in zip(expected, trainer.generator.get_weights(), strict=True)
        ]
    for mean, truth in zip(trainer.average.get_weights(), expected, strict=True):
        np.testing.assert_allclose(mean, truth, atol=1e-6)
    assert "average" in trainer.state
    latent = tf.random.normal([2, 128])
    np.testing.assert_allclose(trainer._generate(latent), trainer.average(latent), atol=1e-6)


@pytest.mark.parametrize("norm", ["bn", "itn"])
def test_a_normalised_discriminator(norm):
    trainer = make(discriminator_norm=norm)
    assert any("moving" in weight.path for weight in trainer.discriminator.weights)
    assert all(np.isfinite(loss) for loss in trainer.step(0, batch(0)).values())


@pytest.mark.parametrize("change", [{"norm": "mine"}, {"generator_filters": 3}, {"group_size": 0}])
def test_a_configuration_that_cannot_be_built_is_a_value_error(change):
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f"Received: .*={value!r}"):
        make(**change)
