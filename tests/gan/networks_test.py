"""Table VII, held against the networks row by row."""

import keras
import numpy as np
import pytest

from gan.networks import dcgan
from tfnorm.layers import SpectralNormalization
from tfnorm.layers.by_name import norm_factory, normalization_sites

# Name, output shape after the row, parameters: kernel and bias, counted from the printed table.
GENERATOR_ROWS = [
    ("dense", (4 * 4 * 256,), 128 * 4096 + 4096),
    ("deconv_1", (8, 8, 256), 4 * 4 * 256 * 256 + 256),
    ("deconv_2", (16, 16, 128), 4 * 4 * 256 * 128 + 128),
    ("deconv_3", (32, 32, 64), 4 * 4 * 128 * 64 + 64),
    ("image", (32, 32, 3), 3 * 3 * 64 * 3 + 3),
]
DISCRIMINATOR_ROWS = [  # kernel, size and width after the row
    (3, 32, 32),
    (3, 16, 64),
    (3, 16, 64),
    (3, 8, 128),
    (3, 8, 128),
    (3, 4, 256),
    (3, 4, 256),
]


def generator(norm="bn", **options):
    return dcgan.generator(norm_factory(norm), **options)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def test_the_generator_is_the_printed_table():
    model = generator()
    for name, shape, parameters in GENERATOR_ROWS:
        layer = model.get_layer(name)
        assert layer.output.shape == (None, *shape), name
        assert layer.count_params() == parameters, name
    stage = ["Conv2DTranspose", "BatchNormalization", "ReLU"]
    assert kinds(model) == ["InputLayer", "Dense", "Reshape", *3 * stage, "Conv2D"]
    assert [row[2] for row in normalization_sites(model)] == [256, 128, 64]
    assert model.get_layer("image").activation is keras.activations.tanh


def test_the_released_generator_normalises_before_and_once_more():
    model = generator(variant="released")
    stage = ["BatchNormalization", "ReLU", "Conv2DTranspose"]
    last = ["BatchNormalization", "ReLU", "Conv2D"]
    assert kinds(model) == ["InputLayer", "Dense", "Reshape", *3 * stage, *last]
    sites = [model.get_layer(f"norm_{i}").output.shape[1:] for i in (1, 2, 3, 4)]
    assert sites == [(4, 4, 256), (8, 8, 256), (16, 16, 128), (32, 32, 64)]


@pytest.mark.parametrize(("variant", "strided"), [("paper", 3), ("released", 4)])
def test_the_discriminator_is_the_printed_table_or_what_was_released(variant, strided):
    model = dcgan.discriminator(variant=variant)
    previous, size_before = 3, 32
    for i, (kernel, size, width) in enumerate(DISCRIMINATOR_ROWS):
        layer = model.get_layer(f"spectral_{i + 1}")
        kernel = kernel if size == size_before else strided
        assert isinstance(layer, SpectralNormalization)
        assert layer.output.shape == (None, size, size, width)
        assert layer.layer.kernel.shape == (kernel, kernel, previous, width)
        previous, size_before = width, size
    dense = model.get_layer("spectral_dense")
    assert isinstance(dense, SpectralNormalization)
    assert dense.layer.kernel.shape == (4 * 4 * 256, 1)
    assert kinds(model).count("LeakyReLU") == 7
    leaks = {layer.negative_slope for layer in model.layers if "leaky" in layer.name}
    assert leaks == {0.3}


def test_kernels_start_glorot_uniform_and_biases_at_zero():
    model = generator(filters=64)
    for name in ("deconv_1", "deconv_2", "image"):
        kernel, bias = (weight.numpy() for weight in model.get_layer(name).weights)
        area = kernel.shape[0] * kernel.shape[1]
        limit = np.sqrt(6 / (area * (kernel.shape[2] + kernel.shape[3])))
        assert 0.9 * limit < np.abs(kernel).max() <= limit
        assert not bias.any()


def test_images_of_28_pixels_start_from_7_with_two_stages():
    model = generator(image_size=28, channels=1)
    assert model.output_shape == (None, 28, 28, 1)
    assert model.get_layer("deconv_1").output.shape == (None, 14, 14, 256)
    assert [row[2] for row in normalization_sites(model)] == [256, 128]
    assert dcgan.discriminator(28, 1).input_shape == (None, 28, 28, 1)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda: generator(image_size=30), "image_size=30"),
        (lambda: generator(variant="mine"), "variant='mine'"),
        (lambda: generator(filters=6), "filters=6"),
        (lambda: dcgan.discriminator(filters=4), "filters=4"),
        (lambda: dcgan.discriminator(image_size=0), "image_size=0"),
        (lambda: norm_factory("instance"), "norm='instance'"),
        (lambda: norm_factory("bn", "colouring"), "recovery='colouring'"),
    ],
)
def test_what_there_is_not_is_refused(make, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        make()


@pytest.mark.parametrize("norm", ["none", "bn", "unitization", "pca", "zca", "cd", "itn"])
@pytest.mark.parametrize("recovery", ["scale_shift", "coloring"])
def test_every_norm_and_recovery_stands_in_the_generator(norm, recovery):
    factory = norm_factory(norm, recovery, group_size=8, epsilon=0.01, momentum=0.5)
    model = dcgan.generator(factory, image_size=28, channels=1, filters=16)
    sites = normalization_sites(model)
    if norm == "none":
        assert sites == []
    else:
        size = None if norm in ("bn", "unitization") else 8
        assert sites == [("norm_1", norm, 16, size), ("norm_2", norm, 8, size)]
        layer = model.get_layer("norm_1")
        assert (layer.epsilon, layer.momentum) == (0.01, 0.5)
        assert layer.center == layer.scale == (recovery == "scale_shift")
    colored = [layer.name for layer in model.layers if "coloring" in layer.name]
    assert colored == (["norm_1_coloring", "norm_2_coloring"] if recovery == "coloring" else [])
    images = model(np.random.default_rng(0).normal(size=(4, 128)), training=True)
    assert images.shape == (4, 28, 28, 1)
    assert np.abs(images).max() <= 1
