"""What all networks have in common, the VGG and the MLP, held against the papers' tables."""

import numpy as np
import pytest

from classify.networks import MODELS, mlp, vgg
from tests.norms import norm_factory
from tfnorm.layers.sites import normalization_sites

EVERY_MODEL = pytest.mark.parametrize("model", MODELS)

# What is built where the size is of no matter.
SMALL = {
    "mlp": {"shape": (5, 4, 3), "depth": 2, "width": 6},
    "resnet_cifar": {"shape": (9, 12, 3), "depth": 8, "width": 4},
    "resnet_imagenet": {"shape": (33, 32, 3), "depth": 18, "width": 4},
    "vgg": {"shape": (32, 64, 1), "width": 4},
}


def nothing(name):
    return lambda x: x


def images(shape, n=2):
    return np.random.default_rng(0).normal(size=(n, *shape)).astype("float32")


def sites(model):
    return [(site.name, site.channels) for site in normalization_sites(model)]


def kinds(model):
    return [type(one).__name__ for one in model.layers]


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@EVERY_MODEL
def test_images_to_logits(model):
    arguments = SMALL[model] | {"num_classes": 7}
    network = MODELS[model].classifier(norm_factory("itn", group_size=4), **arguments)
    logits = network(images(arguments["shape"], n=8), training=True).numpy()
    assert logits.shape == (8, 7)
    assert np.isfinite(logits).all()
    names = {site.name for site in normalization_sites(network)}
    assert names == {one.name for one in network.layers if "norm" in one.name}
    bare = MODELS[model].classifier(nothing, **arguments)
    assert {one.name for one in bare.layers} == {one.name for one in network.layers} - names


# Configuration E of the VGG, None for a pool.
VGG_19 = [64, 64, None, 128, 128, None, *4 * [256], None, *4 * [512], None, *4 * [512], None]


def test_the_vgg():
    model = vgg.classifier(norm_factory("bn"))
    widths = [width for width in VGG_19 if width]
    assert [channels for _, channels in sites(model)] == widths
    assert len(widths) == 16
    total = sum(9 * a * b + 3 * b for a, b in zip([3, *widths], widths, strict=False)) + 5130
    assert trainable(model) == total
    assert total / 1e6 == pytest.approx(20.0, abs=0.05)
    rows = [
        ["MaxPooling2D"] if width is None else ["Conv2D", "BatchNormalization", "ReLU"]
        for width in VGG_19[:-1]
    ]
    order = [kind for row in rows for kind in row]
    assert kinds(model) == ["InputLayer", *order, "AveragePooling2D", "Flatten", "Dense"]
    assert model.get_layer("flatten").output.shape == (None, 512)
    larger = vgg.classifier(nothing, shape=(64, 100, 3), width=2)
    assert larger.get_layer("flatten").output.shape == (None, 2 * 3 * 16)


def test_the_mlp():
    model = mlp.classifier(norm_factory("bn", "none"))
    assert sites(model) == [(f"norm_{i}", 256) for i in range(1, 5)]
    assert trainable(model) == 784 * 256 + 256 + 3 * (256 * 256 + 256) + 256 * 10 + 10
    order = ["Dense", "BatchNormalization", "ReLU"]
    assert kinds(model) == ["InputLayer", "Flatten", *4 * order, "Dense"]
    colored = mlp.classifier(norm_factory("bn", "none"), depth=3, linear=True)
    assert trainable(colored) == 784 * 256 + 256 + 5 * (256 * 256 + 256) + 256 * 10 + 10
    order = ["Dense", "BatchNormalization", "Dense", "ReLU"]
    assert kinds(colored) == ["InputLayer", "Flatten", *3 * order, "Dense"]


# Network and layer: deviation of the kernel, and the largest value in deviations: sqrt(3) is of a
# uniform one, 2 / 0.88 of one truncated at two deviations, None of a normal one.
TRUNCATED = 2 / 0.8796
STARTS = [
    ("resnet_cifar", {"width": 32}, "stage_2_block_1_conv_1", (2 / (9 * 32)) ** 0.5, TRUNCATED),
    ("resnet_cifar", {"width": 32}, "stage_2_block_1_shortcut", (2 / 32) ** 0.5, TRUNCATED),
    ("resnet_cifar", {"width": 32}, "logits", (2 / 128) ** 0.5, TRUNCATED),
    ("vgg", {"width": 16}, "stage_3_conv_1", (2 / (9 * 64)) ** 0.5, None),
    ("vgg", {"width": 16}, "logits", 0.01, None),
    ("mlp", {"width": 100}, "dense_1", (60 * 3) ** -0.5, 3**0.5),
    ("mlp", {"width": 100}, "dense_2", (100 * 3) ** -0.5, 3**0.5),
    ("mlp", {"width": 100, "linear": True}, "linear_2", (100 * 3) ** -0.5, 3**0.5),
]


@pytest.mark.parametrize(("model", "arguments", "name", "deviation", "largest"), STARTS)
def test_kernels_start_as_the_authors_do(model, arguments, name, deviation, largest):
    network = MODELS[model].classifier(nothing, **SMALL[model] | arguments)
    kernel, bias = (weight.numpy() for weight in network.get_layer(name).weights)
    assert kernel.std() == pytest.approx(deviation, rel=0.1)
    largest_seen = np.abs(kernel).max() / deviation
    if largest is None:
        assert largest_seen > 2.5
    else:
        assert 0.95 * largest < largest_seen <= 1.001 * largest
    if model == "mlp":
        assert bias.std() == pytest.approx(deviation, rel=0.3)
        assert np.abs(bias).max() <= 3**0.5 * deviation
    else:
        assert not bias.any()


@EVERY_MODEL
def test_no_two_kernels_start_alike(model):
    network = MODELS[model].classifier(nothing, **SMALL[model])
    kernels = [one.kernel.numpy().tobytes() for one in network.layers if hasattr(one, "kernel")]
    assert len(set(kernels)) == len(kernels)


@EVERY_MODEL
@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ({"shape": (32, 32)}, r"shape=\(32, 32\)"),
        ({"shape": 32}, "shape=32"),
        ({"shape": (32, None, 3)}, r"shape=\(32, None, 3\)"),
        ({"shape": (32, 0, 3)}, r"shape=\(32, 0, 3\)"),
        ({"num_classes": 0}, "num_classes=0"),
        ({"width": 0}, "width=0"),
        ({"width": 1.5}, "width=1.5"),
        ({"depth": 0}, "depth=0"),
        ({"depth": "50"}, "depth='50'"),
        ({"num_classes": True}, "num_classes=True"),
    ],
)
def test_what_no_network_takes_is_refused(model, arguments, received):
    for make in (MODELS[model].check, lambda **given: MODELS[model].classifier(nothing, **given)):
        with pytest.raises(ValueError, match=f"Received: {received}"):
            make(**arguments)


@pytest.mark.parametrize(
    ("model", "arguments", "received"),
    [
        ("resnet_cifar", {"depth": 2}, "depth=2, bottleneck=False"),
        ("resnet_cifar", {"depth": 18}, "depth=18, bottleneck=False"),
        ("resnet_cifar", {"depth": 32, "bottleneck": True}, "depth=32, bottleneck=True"),
        ("vgg", {"depth": 16}, "depth=16"),
        ("vgg", {"shape": (28, 28, 1)}, r"shape=\(28, 28, 1\)"),
        ("resnet_imagenet", {"depth": 20}, "depth=20"),
    ],
)
def test_what_one_network_does_not_take_is_refused(model, arguments, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        MODELS[model].check(**arguments)
