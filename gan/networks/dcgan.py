"""The DCGAN of Table VII: the table's rows, and the fold that builds them.

Reference: Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
supplement, section C.2.1. What the table leaves out follows the authors' code: LeakyReLU of slope
0.3, Glorot uniform kernels, biases everywhere, spectral normalization of every layer of the
discriminator.
"""

import typing

import keras

from tfnorm.layers import SpectralNormalization


class Conv(typing.NamedTuple):
    """A row of the table: square kernel, stride, and `filters` divided by what is the width."""

    kernel: int
    stride: int
    divisor: int


LATENT_SIZE = 128
LEAK = 0.3

# Image size: the size of the first feature map, and how many deconvolutions double it.
START = {28: (7, 2), 32: (4, 3)}

# Table VII (a): dense 4 x 4 x F, then these, then 3x3 to the image and tanh.
GENERATOR = (Conv(4, 2, 1), Conv(4, 2, 2), Conv(4, 2, 4))

# Table VII (b): these, then dense to 1. The authors released 4x4 convolutions where the stride
# is 2, which the table prints for the large network only.
DISCRIMINATOR = {
    "paper": (
        Conv(3, 1, 8),
        Conv(3, 2, 4),
        Conv(3, 1, 4),
        Conv(3, 2, 2),
        Conv(3, 1, 2),
        Conv(3, 2, 1),
        Conv(3, 1, 1),
    ),
    "released": (
        Conv(3, 1, 8),
        Conv(4, 2, 4),
        Conv(3, 1, 4),
        Conv(4, 2, 2),
        Conv(3, 1, 2),
        Conv(4, 2, 1),
        Conv(3, 1, 1),
    ),
}

VARIANTS = tuple(DISCRIMINATOR)


def generator(norm, image_size=32, channels=3, filters=256, variant="paper"):
    """The generator: latent (n, 128) to images (n, size, size, channels) in [-1, 1].

    Args:
        norm: factory of normalizations, `norm(name) -> f(x, labels=None)`.
        image_size: a key of `START`.
        channels: of the images, 1 or 3.
        filters: F, the width of the first deconvolution; a multiple of 4.
        variant: "paper" normalises after each deconvolution, as printed; "released" before each,
            and once more before the last convolution.

    Returns:
        A Keras model.
    """
    check(image_size, channels, variant)
    if filters < 1 or filters % 4:
        raise ValueError(
            f"The generator's filters must be a positive multiple of 4. Received: filters={filters}"
        )
    size, stages = START[image_size]
    rows = GENERATOR[:stages]
    before = variant == "released"
    sites = iter([f"norm_{i + 1}" for i in range(stages + before)])

    def normalize(x):
        return keras.layers.ReLU()(norm(next(sites))(x))

    latent = keras.Input((LATENT_SIZE,), name="latent")
    x = keras.layers.Dense(size * size * filters, name="dense")(latent)
    x = keras.layers.Reshape((size, size, filters))(x)
    for i, row in enumerate(rows):
        x = normalize(x) if before else x
        x = keras.layers.Conv2DTranspose(
            filters // row.divisor, row.kernel, row.stride, padding="same", name=f"deconv_{i + 1}"
        )(x)
        x = x if before else normalize(x)
    x = normalize(x) if before else x
    x = keras.layers.Conv2D(channels, 3, padding="same", activation="tanh", name="image")(x)
    return keras.Model(latent, x, name="generator")


def discriminator(image_size=32, channels=3, filters=256, variant="paper"):
    """The discriminator: images (n, size, size, channels) in [-1, 1] to logits (n, 1).

    Args:
        image_size, channels, variant: see `generator`.
        filters: the width of the last convolution; a multiple of 8.

    Returns:
        A Keras model, spectrally normalised throughout.
    """
    check(image_size, channels, variant)
    if filters < 1 or filters % 8:
        raise ValueError(
            "The discriminator's filters must be a positive multiple of 8. "
            f"Received: filters={filters}"
        )
    image = keras.Input((image_size, image_size, channels), name="image")
    x = image
    for i, row in enumerate(DISCRIMINATOR[variant]):
        conv = keras.layers.Conv2D(
            filters // row.divisor, row.kernel, row.stride, padding="same", name=f"conv_{i + 1}"
        )
        x = SpectralNormalization(conv, name=f"spectral_{i + 1}")(x)
        x = keras.layers.LeakyReLU(LEAK)(x)
    x = keras.layers.Flatten()(x)
    dense = keras.layers.Dense(1, name="dense")
    return keras.Model(
        image, SpectralNormalization(dense, name="spectral_dense")(x), name="discriminator"
    )


def check(image_size, channels, variant):
    """Raises `ValueError` if there is no such network: see `generator`."""
    if channels not in (1, 3):
        raise ValueError(f"Images must have 1 or 3 channels. Received: channels={channels}")
    if image_size not in START:
        raise ValueError(
            f"`image_size` must be one of {sorted(START)}. Received: image_size={image_size!r}"
        )
    if variant not in VARIANTS:
        raise ValueError(
            f"`variant` must be one of {list(VARIANTS)}. Received: variant={variant!r}"
        )
