"""Initial weights of the networks."""

import keras
import numpy as np
import pytest

from gan.networks import resnet
from tests.gan.networks.built import discriminator, generator

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


@pytest.fixture(autouse=True)
def seed():
    """What is compared are deviations of draws: not by chance of each run."""
    keras.utils.set_random_seed(0)


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
