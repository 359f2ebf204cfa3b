"""The ResNets for ImageNet, held against torchvision's, and what the paper's arcs whiten."""

import collections

import keras
import numpy as np
import pytest

from classify.networks import resnet_imagenet
from classify.networks.resnet_imagenet import ARCS, whitened_sites
from tests.norms import norm_factory
from tfnorm.layers.sites import normalization_sites

EVERY_DEPTH = pytest.mark.parametrize("depth", [18, 50])

# What torchvision counts, and normalizations: of 64 channels and so on.
TORCHVISION = {
    18: (11_689_512, {64: 5, 128: 5, 256: 5, 512: 5}),
    50: (25_557_032, {64: 7, 128: 8, 256: 4 + 12, 512: 5 + 6, 1024: 7, 2048: 4}),
}
WIDTH = 8


def affine(name):
    """In place of a normalization: what no weights and no other order of layers could give."""
    return keras.layers.Rescaling(1.3, 0.1, name=name)


def normalized(x):
    return 1.3 * x + 0.1


def relu(x):
    return np.maximum(x, 0)


def network(depth, norm=affine, **arguments):
    return resnet_imagenet.classifier(
        norm, depth=depth, **{"shape": (32, 32, 3), "width": WIDTH, "num_classes": 5} | arguments
    )


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@EVERY_DEPTH
def test_the_parameters_and_normalizations_are_torchvisions(depth):
    model = resnet_imagenet.classifier(norm_factory("bn"), depth=depth)
    parameters, widths = TORCHVISION[depth]
    assert trainable(model) == parameters
    sites = normalization_sites(model)
    assert collections.Counter(site.channels for site in sites) == widths
    assert len(sites) == {18: 20, 50: 53}[depth]
    assert model.output_shape == (None, 1000)
    sides = [model.get_layer(f"stage_{i}_block_2").output.shape[1] for i in (1, 2, 3, 4)]
    assert sides == [56, 28, 14, 7]


@pytest.mark.parametrize(("depth", "last"), [(18, False), (18, True), (50, True)])
def test_the_last_normalization(depth, last):
    model = network(depth, norm_factory("bn"), last=last)
    sites = [(site.name, site.channels) for site in normalization_sites(model)]
    width = WIDTH * {18: 8, 50: 32}[depth]
    assert len(sites) == {18: 20, 50: 53}[depth] + last
    assert (("last_norm", width) in sites) == last
    before = "last_norm" if last else "pool"
    assert model.get_layer("logits").input is model.get_layer(before).output


def padded(x, sides):
    return np.pad(x, [(0, 0), (sides, sides), (sides, sides), (0, 0)])


def convolved(model, name, x):
    """A convolution as torch's: (kernel - 1) / 2 zeros on each side, whatever the stride."""
    conv = model.get_layer(name)
    size, stride = conv.kernel_size[0], conv.strides[0]
    wide = np.lib.stride_tricks.sliding_window_view(padded(x, size // 2), (size, size), (1, 2))
    return np.einsum("nhwcij,ijco->nhwo", wide[:, ::stride, ::stride], conv.kernel.numpy())


def strides(depth, stage, block):
    """Of a block's convolutions."""
    stride = 2 if stage > 1 and block == 1 else 1
    return [stride, 1] if depth == 18 else [1, stride, 1]


@pytest.mark.parametrize(
    ("depth", "blocks", "side"),
    [(18, [2, 2, 2, 2], 32), (18, [2, 2, 2, 2], 33), (50, [3, 4, 6, 3], 33)],
)
def test_the_fold_is_torchvisions(depth, blocks, side):
    keras.utils.set_random_seed(0)
    model = network(depth, shape=(side, side, 3), last=True)
    image = np.random.default_rng(0).normal(size=(2, side, side, 3))
    x = relu(normalized(convolved(model, "stem", image)))
    windows = np.lib.stride_tricks.sliding_window_view(padded(x, 1), (3, 3), (1, 2))
    x = windows[:, ::2, ::2].max((-1, -2))
    shortcuts = 0
    for stage, count in enumerate(blocks, start=1):
        for block in range(1, count + 1):
            name, path = f"stage_{stage}_block_{block}", x
            convs = strides(depth, stage, block)
            for i, stride in enumerate(convs, start=1):
                path = relu(path) if i > 1 else path
                path = normalized(convolved(model, f"{name}_conv_{i}", path))
                assert model.get_layer(f"{name}_conv_{i}").strides == (stride, stride)
            if path.shape != x.shape:
                x = normalized(convolved(model, f"{name}_shortcut", x))
                shortcuts += 1
            x = relu(path + x)
    expected = model.get_layer("logits")(normalized(x.mean((1, 2))))
    size = np.abs(expected).max()
    assert np.ptp(expected, axis=0).max() > 0.01 * size  # the image reaches the logits
    np.testing.assert_allclose(model(image), expected, rtol=1e-4, atol=1e-5 * size)
    assert shortcuts == {18: 3, 50: 4}[depth]


def test_kernels_start_as_the_authors_do():
    """Convolutions normal with deviation sqrt(2 / (k^2 out)), the dense layer as torch's."""
    model = network(18, width=32, num_classes=20)
    for name, deviation in [
        ("stem", (2 / (49 * 32)) ** 0.5),
        ("stage_3_block_1_conv_1", (2 / (9 * 128)) ** 0.5),
        ("stage_3_block_1_shortcut", (2 / 128) ** 0.5),
    ]:
        (kernel,) = model.get_layer(name).weights
        assert kernel.numpy().std() == pytest.approx(deviation, rel=0.05), name
        assert np.abs(kernel).max() > 2.5 * deviation, name
    kernel, bias = (weight.numpy() for weight in model.get_layer("logits").weights)
    assert kernel.std() == pytest.approx((3 * 256) ** -0.5, rel=0.05)
    assert 0.95 < np.abs(kernel).max() * 256**0.5 <= 1.001
    assert 0 < np.abs(bias).max() * 256**0.5 <= 1.001


# Arc and depth: the widths that are whitened, in order, of a network of the paper's width.
WHITENED = {
    ("arc_a", 18): [64],
    ("arc_b", 18): [64, 512],
    ("arc_c", 18): [64, *2 * [64], *2 * [128], *2 * [256], *2 * [512], 512],
    ("arc_c_no_last", 18): [64, *2 * [64], *2 * [128], *2 * [256], *2 * [512]],
    ("arc_a", 50): [64],
    ("arc_b", 50): [64, 2048],
    ("arc_c", 50): [64, *3 * [64], *4 * [128], *6 * [256], *3 * [512], 2048],
}


@pytest.mark.parametrize(("arc", "depth"), WHITENED)
def test_what_the_arcs_whiten(arc, depth):
    names = whitened_sites(arc, depth)
    whitening, bn = norm_factory("itn"), norm_factory("bn")
    model = network(
        depth, lambda name: (whitening if name in names else bn)(name), last=ARCS[arc].last
    )
    sites = normalization_sites(model)
    assert [site.name for site in sites if site.kind == "itn"] == names
    widths = [site.channels * 64 // WIDTH for site in sites if site.kind == "itn"]
    assert widths == WHITENED[arc, depth]
    assert {site.kind for site in sites} == {"itn", "bn"}


def test_which_of_a_block_is_whitened():
    """The normalization after the first convolution of two, and after the 3x3 of a bottleneck."""
    assert "stage_2_block_1_norm_1" in whitened_sites("arc_c", 18)
    assert "stage_2_block_1_norm_2" in whitened_sites("arc_c", 50)
    kernel = network(50).get_layer("stage_2_block_1_conv_2").kernel_size
    assert kernel == (3, 3)


def test_every_arc_is_held_against_something():
    assert {arc for arc, _ in WHITENED} == set(ARCS)


@pytest.mark.parametrize(
    ("arc", "depth", "received"), [("arc_d", 18, "arc='arc_d'"), ("arc_a", 34, "depth=34")]
)
def test_arcs_that_there_are_not_are_refused(arc, depth, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        whitened_sites(arc, depth)
