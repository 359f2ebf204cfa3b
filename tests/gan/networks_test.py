"""Tables VII, VIII and IX, held against the networks row by row."""

import keras
import numpy as np
import pytest

from gan import networks
from gan.networks import ARCHITECTURES, resnet
from tests.norms import norm_factory
from tfnorm.layers import SpectralNormalization
from tfnorm.layers.sites import normalization_sites

EVERY_ARCH = pytest.mark.parametrize("arch", ARCHITECTURES)
EVERY_VARIANT = pytest.mark.parametrize("variant", networks.VARIANTS)

# Layer, shape after it, parameters: kernel and bias, counted from the printed tables. For a block,
# its convolutions and shortcut, and then the sum of both, which has none.
GENERATORS = {
    "dcgan": [
        ("dense", (4 * 4 * 256,), 128 * 4096 + 4096),
        ("deconv_1", (8, 8, 256), 4 * 4 * 256 * 256 + 256),
        ("deconv_2", (16, 16, 128), 4 * 4 * 256 * 128 + 128),
        ("deconv_3", (32, 32, 64), 4 * 4 * 128 * 64 + 64),
        ("image", (32, 32, 3), 3 * 3 * 64 * 3 + 3),
    ],
    "large_dcgan": [
        ("dense", (4 * 4 * 512,), 128 * 8192 + 8192),
        ("deconv_1", (8, 8, 512), 4 * 4 * 512 * 512 + 512),
        ("deconv_2", (16, 16, 256), 4 * 4 * 512 * 256 + 256),
        ("deconv_3", (32, 32, 128), 4 * 4 * 256 * 128 + 128),
        ("image", (32, 32, 3), 3 * 3 * 128 * 3 + 3),
    ],
    "resnet": [
        ("dense", (4 * 4 * 256,), 128 * 4096 + 4096),
        ("block_1_conv_1", (8, 8, 256), 3 * 3 * 256 * 256 + 256),
        ("block_1_conv_2", (8, 8, 256), 3 * 3 * 256 * 256 + 256),
        ("block_1_shortcut", (4, 4, 256), 1 * 1 * 256 * 256 + 256),
        ("block_1", (8, 8, 256), 0),
        ("block_2_conv_1", (16, 16, 256), 3 * 3 * 256 * 256 + 256),
        ("block_2_conv_2", (16, 16, 256), 3 * 3 * 256 * 256 + 256),
        ("block_2_shortcut", (8, 8, 256), 1 * 1 * 256 * 256 + 256),
        ("block_2", (16, 16, 256), 0),
        ("block_3_conv_1", (32, 32, 256), 3 * 3 * 256 * 256 + 256),
        ("block_3_conv_2", (32, 32, 256), 3 * 3 * 256 * 256 + 256),
        ("block_3_shortcut", (16, 16, 256), 1 * 1 * 256 * 256 + 256),
        ("block_3", (32, 32, 256), 0),
        ("image", (32, 32, 3), 3 * 3 * 256 * 3 + 3),
    ],
}

# Normalization and the shape it is of. The released DCGAN has one more, and each is before a
# deconvolution.
SITES = {
    ("dcgan", "paper"): [
        ("norm_1", (8, 8, 256)),
        ("norm_2", (16, 16, 128)),
        ("norm_3", (32, 32, 64)),
    ],
    ("dcgan", "released"): [
        ("norm_1", (4, 4, 256)),
        ("norm_2", (8, 8, 256)),
        ("norm_3", (16, 16, 128)),
        ("norm_4", (32, 32, 64)),
    ],
    ("large_dcgan", "paper"): [
        ("norm_1", (8, 8, 512)),
        ("norm_2", (16, 16, 256)),
        ("norm_3", (32, 32, 128)),
    ],
    ("large_dcgan", "released"): [
        ("norm_1", (4, 4, 512)),
        ("norm_2", (8, 8, 512)),
        ("norm_3", (16, 16, 256)),
        ("norm_4", (32, 32, 128)),
    ],
    ("resnet", "paper"): [
        ("block_1_norm_1", (4, 4, 256)),
        ("block_1_norm_2", (8, 8, 256)),
        ("block_2_norm_1", (8, 8, 256)),
        ("block_2_norm_2", (16, 16, 256)),
        ("block_3_norm_1", (16, 16, 256)),
        ("block_3_norm_2", (32, 32, 256)),
        ("norm", (32, 32, 256)),
    ],
}
SITES["resnet", "released"] = SITES["resnet", "paper"]

DISCRIMINATORS = {
    ("dcgan", "paper"): [
        ("conv_1", (32, 32, 32), 3 * 3 * 3 * 32 + 32),
        ("conv_2", (16, 16, 64), 3 * 3 * 32 * 64 + 64),
        ("conv_3", (16, 16, 64), 3 * 3 * 64 * 64 + 64),
        ("conv_4", (8, 8, 128), 3 * 3 * 64 * 128 + 128),
        ("conv_5", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("conv_6", (4, 4, 256), 3 * 3 * 128 * 256 + 256),
        ("conv_7", (4, 4, 256), 3 * 3 * 256 * 256 + 256),
        ("dense", (1,), 4 * 4 * 256 + 1),
    ],
    ("dcgan", "released"): [
        ("conv_1", (32, 32, 32), 3 * 3 * 3 * 32 + 32),
        ("conv_2", (16, 16, 64), 4 * 4 * 32 * 64 + 64),
        ("conv_3", (16, 16, 64), 3 * 3 * 64 * 64 + 64),
        ("conv_4", (8, 8, 128), 4 * 4 * 64 * 128 + 128),
        ("conv_5", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("conv_6", (4, 4, 256), 4 * 4 * 128 * 256 + 256),
        ("conv_7", (4, 4, 256), 3 * 3 * 256 * 256 + 256),
        ("dense", (1,), 4 * 4 * 256 + 1),
    ],
    ("large_dcgan", "paper"): [
        ("conv_1", (32, 32, 64), 3 * 3 * 3 * 64 + 64),
        ("conv_2", (16, 16, 128), 4 * 4 * 64 * 128 + 128),
        ("conv_3", (16, 16, 128), 3 * 3 * 128 * 128 + 128),
        ("conv_4", (8, 8, 256), 4 * 4 * 128 * 256 + 256),
        ("conv_5", (8, 8, 256), 3 * 3 * 256 * 256 + 256),
        ("conv_6", (4, 4, 512), 4 * 4 * 256 * 512 + 512),
        ("conv_7", (4, 4, 512), 3 * 3 * 512 * 512 + 512),
        ("dense", (1,), 4 * 4 * 512 + 1),
    ],
    ("resnet", "paper"): [
        ("block_1_conv_1", (32, 32, 128), 3 * 3 * 3 * 128 + 128),
        ("block_1_conv_2", (32, 32, 128), 3 * 3 * 128 * 128 + 128),
        ("block_1_shortcut", (16, 16, 128), 1 * 1 * 3 * 128 + 128),
        ("block_1", (16, 16, 128), 0),
        ("block_2_conv_1", (16, 16, 128), 3 * 3 * 128 * 128 + 128),
        ("block_2_conv_2", (16, 16, 128), 3 * 3 * 128 * 128 + 128),
        ("block_2_shortcut", (16, 16, 128), 1 * 1 * 128 * 128 + 128),
        ("block_2", (8, 8, 128), 0),
        ("block_3_conv_1", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("block_3_conv_2", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("block_3", (8, 8, 128), 0),
        ("block_4_conv_1", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("block_4_conv_2", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("block_4", (8, 8, 128), 0),
        ("dense", (1,), 128 + 1),
    ],
}
DISCRIMINATORS["large_dcgan", "released"] = DISCRIMINATORS["large_dcgan", "paper"]
DISCRIMINATORS["resnet", "released"] = DISCRIMINATORS["resnet", "paper"]


def generator(arch="dcgan", norm="bn", recovery="scale_shift", **options):
    return ARCHITECTURES[arch].generator(norm_factory(norm, recovery), **options)


def discriminator(arch="dcgan", **options):
    return ARCHITECTURES[arch].discriminator(**options)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


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


def between(model, start, end):
    """The function from what layer `start` puts out to what `end` does."""
    start, end = (model.get_layer(name).output for name in (start, end))
    return keras.Model(start, end), np.random.default_rng(0).normal(size=(2, *start.shape[1:]))


def relu(x):
    return np.maximum(x, 0)


def up(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def down(x):
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


def same(x):
    return x


def layers_of(model, block):
    parts = [f"{block}_{part}" for part in ("conv_1", "conv_2", "shortcut")]
    names = {layer.name for layer in model.layers}
    for layer in [model.get_layer(name) for name in parts if name in names]:
        layer.bias.assign(np.random.default_rng(1).normal(size=layer.bias.shape))
        yield lambda x, layer=layer: layer(x).numpy()


@pytest.mark.parametrize("block", [1, 2, 3])
def test_a_block_that_doubles(block):
    model = generator("resnet", norm="none", filters=4)
    f, x = between(model, "reshape" if block == 1 else f"block_{block - 1}", f"block_{block}")
    conv_1, conv_2, shortcut = layers_of(model, f"block_{block}")
    expected = conv_2(relu(conv_1(up(relu(x))))) + up(shortcut(x))
    np.testing.assert_allclose(f(x), expected, atol=1e-5)


@pytest.mark.parametrize(("block", "half"), [(2, down), (3, same), (4, same)])
def test_a_block_of_the_discriminator(block, half):
    model = discriminator("resnet", filters=4, spectral=False)
    f, x = between(model, f"block_{block - 1}", f"block_{block}")
    conv_1, conv_2, *shortcut = layers_of(model, f"block_{block}")
    (shortcut,) = shortcut or [same]
    expected = half(conv_2(relu(conv_1(relu(x))))) + half(shortcut(x))
    np.testing.assert_allclose(f(x), expected, atol=1e-5)


def test_the_block_of_the_image_and_the_score():
    model = discriminator("resnet", filters=4, spectral=False)
    f, x = between(model, "image", "block_1")
    conv_1, conv_2, shortcut = layers_of(model, "block_1")
    expected = down(conv_2(relu(conv_1(x)))) + shortcut(down(x))
    np.testing.assert_allclose(f(x), expected, atol=1e-5)
    f, x = between(model, "block_4", "dense")
    expected = model.get_layer("dense")(relu(x).sum((1, 2)))
    np.testing.assert_allclose(f(x), expected, atol=1e-4)


def test_normalizations_of_a_block_are_before_its_relus():
    model = generator("resnet", filters=4)
    for layer in normalization_sites(model):
        (after,) = [
            other
            for other in model.layers
            if other.name != layer.name and other.input is model.get_layer(layer.name).output
        ]
        assert isinstance(after, keras.layers.ReLU)


# Image size: of the generator with 16 filters, each stage's width; of the discriminators, the
# number of convolutions or blocks, and the size of the last feature map.
DCGAN_SIZES = {
    28: ([16, 8], 7, 4),
    32: ([16, 8, 4], 7, 4),
    48: ([16, 8, 4], 7, 6),
    64: ([16, 8, 4, 2], 9, 4),
    128: ([16, 8, 4, 2, 1], 11, 4),
}
RESNET_SIZES = {
    28: ([16, 16], 4, 7),
    32: ([16, 16, 16], 4, 8),
    48: ([16, 16, 16], 4, 12),
    64: ([16, 16, 16, 16], 5, 8),
    128: ([16, 16, 16, 8, 4], 6, 8),
}
SIZES = [
    (arch, stage, row, size, *expected)
    for arch, stage, row, sizes in (
        ("dcgan", "deconv", "conv", DCGAN_SIZES),
        ("large_dcgan", "deconv", "conv", DCGAN_SIZES),
        ("resnet", "block", "block", RESNET_SIZES),
    )
    for size, expected in sizes.items()
]


@pytest.mark.parametrize(("arch", "stage", "row", "size", "widths", "rows", "last"), SIZES)
def test_images_of_other_sizes(arch, stage, row, size, widths, rows, last):
    channels = 1 if size == 28 else 3
    model = generator(arch, image_size=size, channels=channels, filters=16)
    assert model.output_shape == (None, size, size, channels)
    start = size // 2 ** len(widths)
    assert model.get_layer("dense").output.shape == (None, start * start * 16)
    for i, width in enumerate(widths, start=1):
        side = start * 2**i
        assert model.get_layer(f"{stage}_{i}").output.shape == (None, side, side, width)
    names = {layer.name for layer in model.layers}
    assert f"{stage}_{len(widths) + 1}" not in names

    model = discriminator(arch, image_size=size, channels=channels, filters=16, spectral=False)
    assert model.input_shape == (None, size, size, channels)
    assert model.get_layer(f"{row}_{rows}").output.shape == (None, last, last, 16)
    names = {layer.name for layer in model.layers}
    assert f"{row}_{rows + 1}" not in names


def test_every_size_is_held_against_something():
    assert networks.IMAGE_SIZES == tuple(DCGAN_SIZES) == tuple(RESNET_SIZES)


def test_the_first_and_last_of_the_added_rows():
    """Where a size adds rows to a discriminator, and of what width: the table's last, or first."""
    model = discriminator(image_size=128, filters=16, spectral=False)
    shapes = [model.get_layer(f"conv_{i}").output.shape[1:] for i in range(1, 12)]
    assert shapes == [
        (128, 128, 2),
        *2 * [(64, 64, 4)],
        *2 * [(32, 32, 8)],
        *2 * [(16, 16, 16)],
        *2 * [(8, 8, 16)],
        *2 * [(4, 4, 16)],
    ]
    model = discriminator("resnet", image_size=128, filters=16, spectral=False)
    sides = [model.get_layer(f"block_{i}").output.shape[1] for i in range(1, 7)]
    assert sides == [64, 32, 16, 8, 8, 8]


# What starts how: names of layers, and 4 / 2 for He and Glorot, see below.
STARTS = [
    ("dcgan", ["deconv_1", "deconv_2", "image"], ["conv_2", "conv_3"], 2),
    ("large_dcgan", ["deconv_1", "deconv_2", "image"], ["conv_2", "conv_3"], 2),
    ("resnet", ["image"], [], 2),
    (
        "resnet",
        ["block_1_conv_1", "block_1_conv_2", "block_2_shortcut"],
        ["block_1_conv_1", "block_2_conv_2", "block_2_shortcut"],
        4,
    ),
]


@pytest.mark.parametrize(("arch", "generator_layers", "discriminator_layers", "factor"), STARTS)
def test_kernels_start_uniform_with_the_deviation_of_he_or_glorot(
    arch, generator_layers, discriminator_layers, factor
):
    """Deviation sqrt(factor / (k^2 (in + out))), and so all within sqrt(3) of it."""
    models = [generator(arch, filters=64), discriminator(arch, filters=64, spectral=False)]
    for model, names in zip(models, [generator_layers, discriminator_layers], strict=True):
        for name in names:
            kernel, bias = (weight.numpy() for weight in model.get_layer(name).weights)
            area = kernel.shape[0] * kernel.shape[1]
            deviation = np.sqrt(factor / (area * (kernel.shape[2] + kernel.shape[3])))
            assert kernel.std() == pytest.approx(deviation, rel=0.05), name
            assert 0.98 * 3**0.5 < np.abs(kernel).max() / deviation <= 1.0001 * 3**0.5, name
            assert not bias.any()


def test_no_two_kernels_start_the_same():
    model = discriminator("resnet", filters=4, spectral=False)
    names = [f"block_{i}_conv_{j}" for i in (2, 3, 4) for j in (1, 2)]
    kernels = [model.get_layer(name).kernel.numpy() for name in names]
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)
    assert resnet.he().get_config()["scale"] == 2


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


# Sites of a discriminator's normalization, and the layer before each.
DISCRIMINATOR_SITES = {
    "dcgan": {f"norm_{i}": f"conv_{i}" for i in range(2, 8)},
    "large_dcgan": {f"norm_{i}": f"conv_{i}" for i in range(2, 8)},
    "resnet": {
        "block_1_norm_2": "block_1_conv_1",
        "block_2_norm_1": "block_1",
        "block_2_norm_2": "block_2_conv_1",
        "block_3_norm_1": "block_2",
        "block_3_norm_2": "block_3_conv_1",
        "block_4_norm_1": "block_3",
        "block_4_norm_2": "block_4_conv_1",
    },
}


@EVERY_ARCH
def test_where_a_discriminator_is_normalised_if_it_is(arch):
    model = discriminator(arch, filters=8, norm=norm_factory("bn"), spectral=False)
    sites = DISCRIMINATOR_SITES[arch]
    assert [site.name for site in normalization_sites(model)] == list(sites)
    for site, before in sites.items():
        assert model.get_layer(site).input is model.get_layer(before).output


REFUSED = [
    ({"image_size": 30}, "image_size=30"),
    ({"image_size": "32"}, "image_size='32'"),
    ({"channels": 2}, "channels=2"),
    ({"variant": "mine"}, "variant='mine'"),
    ({"num_classes": 0}, "num_classes=0"),
]
REFUSED_DISCRIMINATORS = [
    ({"conditional": "concat"}, "conditional='concat'"),
    ({"conditional": "projection"}, "conditional='projection', num_classes=None"),
    ({"conditional": "acgan"}, "conditional='acgan', num_classes=None"),
]


@EVERY_ARCH
@pytest.mark.parametrize(
    ("network", "options", "received"),
    [
        *[("generator", *row) for row in REFUSED],
        *[("discriminator", *row) for row in REFUSED + REFUSED_DISCRIMINATORS],
        *[("check", *row) for row in REFUSED + REFUSED_DISCRIMINATORS],
        ("generator", {"filters": 0}, "filters=0"),
        ("discriminator", {"filters": 0}, "filters=0"),
        ("check", {"generator_filters": 0}, "filters=0"),
        ("check", {"discriminator_filters": 0}, "filters=0"),
    ],
)
def test_what_there_is_not_is_refused(arch, network, options, received):
    make = getattr(ARCHITECTURES[arch], network)
    arguments = [unexpected] if network == "generator" else []
    with pytest.raises(ValueError, match=f"Received: {received}"):
        make(*arguments, **options)


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
    model = networks.dcgan.generator(factory, image_size=28, channels=1, filters=16)
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
