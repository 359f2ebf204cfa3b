"""The blocks of the ResNet, against a fold of their own in NumPy."""

import keras
import numpy as np
import pytest

from tests.gan.networks.built import discriminator, generator
from tfnorm.layers.sites import normalization_sites


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
