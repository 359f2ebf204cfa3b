"""What the networks take, and what they refuse before they begin."""

import functools

import numpy as np
import pytest

from gan.networks import ARCHITECTURES, dcgan
from tests.gan.networks.built import EVERY_ARCH
from tests.norms import norm_factory
from tfnorm.layers.sites import normalization_sites

# What no architecture takes; the discriminator's heads are not the generator's.
REFUSED = [
    ({"image_size": 30}, "image_size=30"),
    ({"image_size": "32"}, "image_size='32'"),
    ({"channels": 2}, "channels=2"),
    ({"variant": "mine"}, "variant='mine'"),
    ({"num_classes": 0}, "num_classes=0"),
    ({"conditional": "concat"}, "conditional='concat'"),
    ({"conditional": "projection"}, "conditional='projection', num_classes=None"),
    ({"conditional": "acgan"}, "conditional='acgan', num_classes=None"),
]


@pytest.mark.parametrize(("options", "received"), REFUSED)
def test_what_there_is_not_is_refused(options, received):
    for networks in ARCHITECTURES.values():
        calls = [networks.check, networks.discriminator]
        if "conditional" not in options:
            calls.append(functools.partial(networks.generator, unexpected))
        for call in calls:
            with pytest.raises(ValueError, match=f"Received: {received}"):
                call(**options)


@EVERY_ARCH
def test_no_filters_are_refused(arch):
    networks = ARCHITECTURES[arch]
    for call in (
        lambda: networks.generator(unexpected, filters=0),
        lambda: networks.discriminator(filters=0),
        lambda: networks.check(generator_filters=0),
        lambda: networks.check(discriminator_filters=0),
    ):
        with pytest.raises(ValueError, match="Received: filters=0"):
            call()


def unexpected(name):
    raise AssertionError("the network was begun")


@pytest.mark.parametrize(
    ("arch", "network", "size", "filters", "fits"),
    [
        ("dcgan", "generator", 32, 6, 8),
        ("dcgan", "generator", 64, 12, 16),
        ("dcgan", "generator", 128, 24, 32),
        ("dcgan", "discriminator", 32, 12, 16),
        ("large_dcgan", "generator", 32, 6, 8),
        ("large_dcgan", "discriminator", 128, 12, 16),
        ("resnet", "generator", 128, 6, 8),
        ("resnet", "discriminator", 32, -1, 1),
    ],
)
def test_filters_must_divide_into_whole_widths(arch, network, size, filters, fits):
    check = ARCHITECTURES[arch].check
    check(image_size=size, **{f"{network}_filters": fits})
    with pytest.raises(ValueError, match=f"The {network}'s .* Received: filters={filters}"):
        check(image_size=size, **{f"{network}_filters": filters})


@pytest.mark.parametrize("norm", ["none", "bn", "unitization", "pca", "zca", "cd", "itn"])
@pytest.mark.parametrize("recovery", ["scale_shift", "coloring"])
def test_every_norm_and_recovery_stands_in_the_generator(norm, recovery):
    factory = norm_factory(norm, recovery, group_size=8, epsilon=0.01, norm_momentum=0.5)
    model = dcgan.generator(factory, image_size=28, channels=1, filters=16)
    sites = [tuple(site) for site in normalization_sites(model)]
    size = None if norm in ("none", "bn", "unitization") else 8
    words = {"scale_shift": "gamma and beta", "coloring": "coloring"}[recovery]
    if (norm, recovery) == ("none", "scale_shift"):
        assert sites == []
    else:
        assert sites == [("norm_1", norm, 16, size, words), ("norm_2", norm, 8, size, words)]
    if norm != "none":
        layer = model.get_layer("norm_1")
        assert (layer.epsilon, layer.momentum) == (0.01, 0.5)
        assert layer.center == layer.scale == (recovery == "scale_shift")
    images = model(np.random.default_rng(0).normal(size=(4, 128)), training=True)
    assert images.shape == (4, 28, 28, 1)
    assert np.abs(images).max() <= 1
