"""Tables VII, VIII and IX, held against the networks row by row."""

import keras
import pytest

from gan.networks import VARIANTS
from tests.gan.networks.built import EVERY_ARCH, discriminator, generator, kinds, trainable
from tests.gan.networks.printed import DISCRIMINATOR_SITES, DISCRIMINATORS, GENERATORS, SITES
from tests.norms import norm_factory
from tfnorm.layers import SpectralNormalization
from tfnorm.layers.sites import normalization_sites

EVERY_VARIANT = pytest.mark.parametrize("variant", VARIANTS)


def check_rows(model, rows):
    for name, shape, parameters in rows:
        layer = model.get_layer(name)
        assert layer.output.shape == (None, *shape), name
        assert layer.count_params() == parameters, name


@EVERY_ARCH
@EVERY_VARIANT
def test_the_generator_is_the_printed_table(arch, variant):
    model = generator(arch, variant=variant)
    check_rows(model, GENERATORS[arch])
    sites = [(site.name, site.channels) for site in normalization_sites(model)]
    assert sites == [(name, shape[-1]) for name, shape in SITES[arch, variant]]
    for name, shape in SITES[arch, variant]:
        assert model.get_layer(name).output.shape == (None, *shape)
    scales_and_shifts = sum(2 * channels for _, channels in sites)
    counted = sum(row[2] for row in GENERATORS[arch])
    assert trainable(model) == counted + scales_and_shifts
    assert model.get_layer("image").activation is keras.activations.tanh


@EVERY_ARCH
@EVERY_VARIANT
def test_the_discriminator_is_the_printed_table(arch, variant):
    model = discriminator(arch, variant=variant, spectral=False)
    rows = DISCRIMINATORS[arch, variant]
    check_rows(model, rows)
    assert trainable(model) == sum(row[2] for row in rows)
    assert normalization_sites(model) == []


@pytest.mark.parametrize("arch", ["dcgan", "large_dcgan"])
def test_the_order_of_a_dcgan(arch):
    paper = ["Conv2DTranspose", "BatchNormalization", "ReLU"]
    released = ["BatchNormalization", "ReLU", "Conv2DTranspose"]
    last = ["BatchNormalization", "ReLU", "Conv2D"]
    start = ["InputLayer", "Dense", "Reshape"]
    assert kinds(generator(arch, filters=16)) == [*start, *3 * paper, "Conv2D"]
    order = kinds(generator(arch, filters=16, variant="released"))
    assert order == [*start, *3 * released, *last]
    model = discriminator(arch, filters=16, spectral=False)
    assert kinds(model) == ["InputLayer", *7 * ["Conv2D", "LeakyReLU"], "Flatten", "Dense"]
    leaks = {layer.negative_slope for layer in model.layers if "leaky" in layer.name}
    assert leaks == {0.3}


def spectral_layers(model):
    """Names of the layers with a kernel that are spectrally normalised, and of the others."""
    wrapped = [layer.layer.name for layer in model.layers if "spectral" in layer.name]
    assert len(wrapped) == kinds(model).count(SpectralNormalization.__name__)
    return wrapped, [layer.name for layer in model.layers if hasattr(layer, "kernel")]


@EVERY_ARCH
def test_spectral_normalization_is_of_every_layer_of_the_discriminator(arch):
    rows = [name for name, _, count in DISCRIMINATORS[arch, "paper"] if count]
    wrapped, others = spectral_layers(discriminator(arch, filters=8))
    assert sorted(wrapped) == sorted(rows) and others == []
    wrapped, others = spectral_layers(discriminator(arch, filters=8, spectral=False))
    assert wrapped == [] and sorted(others) == sorted(rows)


@EVERY_ARCH
def test_spectral_normalization_of_the_generator_is_never_of_deconvolutions(arch):
    rows = {name for name, _, count in GENERATORS[arch] if count}
    wrapped, others = spectral_layers(generator(arch, filters=8, spectral=True))
    assert {*wrapped} == {name for name in rows if "deconv" not in name}
    assert {*others} == {name for name in rows if "deconv" in name}
    assert spectral_layers(generator(arch, filters=8))[0] == []


@EVERY_ARCH
def test_where_a_discriminator_is_normalised_if_it_is(arch):
    model = discriminator(arch, filters=8, norm=norm_factory("bn"), spectral=False)
    sites = DISCRIMINATOR_SITES[arch]
    assert [site.name for site in normalization_sites(model)] == list(sites)
    for site, before in sites.items():
        assert model.get_layer(site).input is model.get_layer(before).output
