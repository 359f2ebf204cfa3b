"""The networks of a configuration: what of it is the generator's alone."""

import dataclasses

from gan.config import Config
from gan.models import make_discriminator, make_generator
from harness.datasets import ImageKind
from tfnorm.layers import BatchWhitening
from tfnorm.layers.sites import normalization_sites

CONFIG = Config(
    generator_filters=16,
    discriminator_filters=16,
    norm="itn",
    recovery="coloring",
    estimate="matrix",
    group_size=4,
    discriminator_norm="zca",
)
KIND = ImageKind(3, 10)


def whitenings(model):
    return [layer for layer in model.layers if isinstance(layer, BatchWhitening)]


def test_the_recovery_and_the_estimate_are_the_generators():
    generator, discriminator = make_generator(CONFIG, KIND), make_discriminator(CONFIG, KIND)
    assert {site.recovery for site in normalization_sites(generator)} == {"coloring"}
    assert {site.recovery for site in normalization_sites(discriminator)} == {"gamma and beta"}
    assert {layer.estimate for layer in whitenings(generator)} == {"matrix"}
    assert {layer.estimate for layer in whitenings(discriminator)} == {"covariance"}


def test_what_else_a_normalization_is_made_with_is_both_networks():
    config = dataclasses.replace(CONFIG, epsilon=0.5, norm_momentum=0.7, device="cpu")
    for model in (make_generator(config, KIND), make_discriminator(config, KIND)):
        for layer in whitenings(model):
            assert (layer.epsilon, layer.momentum, layer.device) == (0.5, 0.7, "cpu")
            assert layer.group_size == 4
