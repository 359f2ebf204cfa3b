"""The networks that the tests look at, and what they count in them."""

import numpy as np
import pytest

from gan.networks import ARCHITECTURES
from tests.norms import norm_factory

EVERY_ARCH = pytest.mark.parametrize("arch", ARCHITECTURES)


def generator(arch="dcgan", norm="bn", recovery="scale_shift", **options):
    return ARCHITECTURES[arch].generator(norm_factory(norm, recovery), **options)


def discriminator(arch="dcgan", **options):
    return ARCHITECTURES[arch].discriminator(**options)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
