"""The ResNets for CIFAR, held against a count and a fold of their own."""

import keras
import numpy as np
import pytest

from classify.networks import resnet_cifar
from tests.norms import norm_factory
from tfnorm.layers.sites import normalization_sites


def affine(name):
    """In place of a normalization: what no weights and no other order of layers could give."""
    return keras.layers.Rescaling(1.3, 0.1, name=name)


def normalized(x):
    return 1.3 * x + 0.1


def relu(x):
    return np.maximum(x, 0)


def layer(model, name):
    return lambda x: model.get_layer(name)(x).numpy()


def with_biases(model):
    """The model, with biases that are not zero."""
    rng = np.random.default_rng(1)
    for one in model.layers:
        if getattr(one, "bias", None) is not None:
            one.bias.assign(rng.normal(size=one.bias.shape))
    return model


def blocks(depth, bottleneck):
    return (depth - 2) // (9 if bottleneck else 6)


def sites(depth, bottleneck):
    """Name and width of each normalization: before each convolution of a block, and at the ends."""
    rows, before = [("stem_norm", 16)], 16
    for stage, width in enumerate([16, 32, 64], start=1):
        for block in range(1, blocks(depth, bottleneck) + 1):
            widths = [before, width, width] if bottleneck else [before, width]
            for i, channels in enumerate(widths, start=1):
                rows.append((f"stage_{stage}_block_{block}_norm_{i}", channels))
            before = 4 * width if bottleneck else width
    return [*rows, ("norm", before)]


def parameters(depth, bottleneck):
    """Kernels and biases of convolutions and the dense layer: n blocks in each of three stages."""
    n, total, before = blocks(depth, bottleneck), 3 * 3 * 3 * 16 + 16, 16
    for width in [16, 32, 64]:
        inner = width * width * 9 + width
        if bottleneck:
            out = 4 * width
            first, other = before * width + width, out * width + width
            total += first + (n - 1) * other + n * (inner + width * out + out)
        else:
            out = width
            first = before * width * 9 + width
            total += first + (2 * n - 1) * inner
        total += before * out + out if before != out else 0
        before = out
    return total + before * 10 + 10


# Depth, bottlenecks, number of normalizations, and millions of parameters as published by He et
# al., whose ResNet-20 has no weights in shortcuts (up to 0.01 less).
RESNETS = [
    (20, False, 20, 0.27),
    (110, False, 110, 1.7),
    (164, True, 164, 1.7),
]


@pytest.mark.parametrize(("depth", "bottleneck", "norms", "published"), RESNETS)
def test_the_resnets_for_cifar(depth, bottleneck, norms, published):
    model = resnet_cifar.classifier(norm_factory("bn"), depth=depth, bottleneck=bottleneck)
    present = [(site.name, site.channels) for site in normalization_sites(model)]
    expected = sites(depth, bottleneck)
    assert present == expected
    assert len(expected) == norms
    scales_and_shifts = sum(2 * channels for _, channels in expected)
    total = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert total == parameters(depth, bottleneck) + scales_and_shifts
    assert total / 1e6 == pytest.approx(published, abs=0.05 if norms > 100 else 0.01)
    sides = [model.get_layer(f"stage_{i}_block_1").output.shape[1] for i in (1, 2, 3)]
    assert sides == [32, 16, 8]


@pytest.mark.parametrize(("depth", "convs"), [(8, 2), (14, 2), (11, 3), (20, 3)])
def test_the_fold_of_the_resnets_for_cifar(depth, convs):
    """Each convolution is of what is normalised and rectified, each shortcut of what is not."""
    keras.utils.set_random_seed(0)
    shape = (9, 12, 3)
    model = with_biases(
        resnet_cifar.classifier(affine, shape=shape, depth=depth, width=4, bottleneck=convs == 3)
    )
    names = [one.name for one in model.layers if "shortcut" in one.name]
    image = np.random.default_rng(0).normal(size=(2, *shape))
    x = relu(normalized(layer(model, "stem")(image)))
    for stage in (1, 2, 3):
        for block in range(1, (depth - 2) // (3 * convs) + 1):
            name, path = f"stage_{stage}_block_{block}", x
            for i in range(1, convs + 1):
                path = layer(model, f"{name}_conv_{i}")(relu(normalized(path)))
            projected = block == 1 and (stage > 1 or convs == 3)
            x = path + (layer(model, names.pop(0))(x) if projected else x)
    expected = layer(model, "logits")(relu(normalized(x)).mean((1, 2)))
    size = np.abs(expected).max()
    assert np.ptp(expected, axis=0).max() > 0.01 * size  # the image reaches the logits
    np.testing.assert_allclose(model(image), expected, rtol=1e-4, atol=1e-5 * size)
    assert names == []


@pytest.mark.parametrize(("bottleneck", "first"), [(False, 3), (True, 1)])
def test_the_first_convolution_of_a_stage_halves_the_image(bottleneck, first):
    """TensorFlow pads below and to the right only: a 3x3 kernel's centre is at odd positions."""
    depth = 11 if bottleneck else 8
    model = resnet_cifar.classifier(affine, depth=depth, width=4, bottleneck=bottleneck)
    for one in model.layers:
        if isinstance(one, keras.layers.Conv2D):
            strided = one.name.startswith(("stage_2", "stage_3"))
            strided = strided and one.name.endswith(("conv_1", "shortcut"))
            assert one.strides == ((2, 2) if strided else (1, 1)), one.name
    conv = model.get_layer("stage_2_block_1_conv_1")
    assert conv.kernel_size == (first, first)
    kernel = np.zeros(conv.kernel.shape)
    kernel[first // 2, first // 2, 0, 0] = 1
    conv.kernel.assign(kernel)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, conv.kernel.shape[2]))
    start = 1 if first == 3 else 0
    np.testing.assert_allclose(conv(x)[..., 0], x[:, start::2, start::2, 0], rtol=1e-6)
