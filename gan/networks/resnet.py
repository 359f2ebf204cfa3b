"""The ResNet of Table IX: the table's rows, and the fold that builds them.

Reference: Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
https://arxiv.org/abs/2003.12327, supplement, section C.2.2. The ResBlock follows Siarohin et al.,
"Whitening and Coloring Batch Transform for GANs", ICLR 2019, https://arxiv.org/abs/1806.00420, as
released, and so does what the table leaves out: He uniform kernels in blocks, Glorot uniform ones
in dense layers and the last convolution, biases everywhere.
"""

import typing

import keras

from gan.networks import arguments, heads
from gan.networks.arguments import START


class ResBlock(typing.NamedTuple):
    """A row of the table, a ResBlock: "up", "down" or "same", and its channels."""

    resample: str
    width: int


# Table IX (a): dense 4 x 4 x 256, then these, then a normalization, ReLU, 3x3 to the image, tanh.
GENERATOR = (
    ResBlock("up", 256),
    ResBlock("up", 256),
    ResBlock("up", 256),
)

# Ours, for more stages than the table has: the same again; from 128 pixels on half the width each.
GENERATOR_OF_STAGES = {
    2: GENERATOR[:2],
    3: GENERATOR,
    4: (*GENERATOR, ResBlock("up", 256)),
    5: (*GENERATOR, ResBlock("up", 128), ResBlock("up", 64)),
    6: (*GENERATOR, ResBlock("up", 128), ResBlock("up", 64), ResBlock("up", 32)),
}

# Table IX (b): these, then ReLU, global sum pooling, dense to 1.
DISCRIMINATOR = (
    ResBlock("down", 128),
    ResBlock("down", 128),
    ResBlock("same", 128),
    ResBlock("same", 128),
)


def generator(
    norm,
    *,
    image_size=32,
    channels=3,
    filters=None,
    variant="paper",
    num_classes=None,
    spectral=False,
):
    """Builds the generator: latent (n, 128) to images (n, size, size, channels) in [-1, 1].

    Args:
        norm: factory of normalizations, `norm(name) -> f(x, labels=None)`. Two are in each block,
            each before a ReLU and a convolution, and one, the last, is after all blocks.
        image_size: a key of `START`. 28 has two blocks, 64 and 96 four of the same width; of 128
            and 256 the first three have it, and each other half of the one before.
        channels: of the images, 1 or 3.
        filters: the width of the blocks; None: the table's 256. A multiple of 4 for 128 pixels, of
            8 for 256.
        variant: "paper" or "released", which are the same.
        num_classes: number of classes; None: not conditional. With classes the model takes
            [latent, labels], labels int32 (n,), which all normalizations but the last are given.
        spectral: whether the dense layer and the convolutions are spectrally normalised; colorings
            are as the factory says.

    Returns:
        A Keras model.
    """
    check(
        image_size=image_size,
        channels=channels,
        variant=variant,
        generator_filters=filters,
        num_classes=num_classes,
    )
    size = START[image_size].size
    rows = _generator_rows(image_size, filters)
    latent, labels = heads.latent_and_labels(num_classes)

    def rectify(x, site, labels=labels):
        return keras.layers.ReLU()(norm(site)(x, labels))

    dense = keras.layers.Dense(size * size * rows[0].width, name="dense")
    x = heads.normalized(dense, spectral)(latent)
    x = keras.layers.Reshape((size, size, rows[0].width), name="reshape")(x)
    for i, row in enumerate(rows):
        x = _block(x, row, f"block_{i + 1}", rectify, spectral)
    x = rectify(x, "norm", labels=None)
    image = keras.layers.Conv2D(channels, 3, padding="same", activation="tanh", name="image")
    x = heads.normalized(image, spectral)(x)
    return keras.Model(latent if labels is None else [latent, labels], x, name="generator")


def discriminator(
    *,
    image_size=32,
    channels=3,
    filters=None,
    variant="paper",
    norm=None,
    num_classes=None,
    conditional="none",
    spectral=True,
):
    """Builds the discriminator: images (n, size, size, channels) in [-1, 1] to logits (n, 1).

    Args:
        image_size: see `generator`. Each doubling of 32 has the table's first block once more: the
            last feature map is 8x8 as for 32. For 28 it is 7x7, and for 48 and 96, 12x12.
        channels, variant: see `generator`.
        filters: the width of all blocks; None: the table's 128.
        norm: factory of normalizations as the generator's, or None. They are before each ReLU
            within a block, without labels; the first block has one ReLU.
        num_classes, conditional: see `heads.discriminator`.
        spectral: whether all layers are spectrally normalised, but for class logits.

    Returns:
        A Keras model.
    """
    check(
        image_size=image_size,
        channels=channels,
        variant=variant,
        discriminator_filters=filters,
        num_classes=num_classes,
        conditional=conditional,
    )

    def rectify(x, site):
        return keras.layers.ReLU()(norm(site)(x) if norm else x)

    image = keras.Input((image_size, image_size, channels), name="image")
    x = image
    for i, row in enumerate(_discriminator_rows(image_size, filters)):
        x = _block(x, row, f"block_{i + 1}", rectify, spectral, takes_image=i == 0)
    pooled = keras.ops.sum(keras.layers.ReLU()(x), axis=(1, 2))
    return heads.discriminator(
        image,
        pooled,
        pooled,
        num_classes=num_classes,
        conditional=conditional,
        spectral=spectral,
    )


def check(
    *,
    image_size=32,
    channels=3,
    variant="paper",
    generator_filters=None,
    discriminator_filters=None,
    num_classes=None,
    conditional="none",
):
    """Raises `ValueError` if there are no such networks: see `generator`, `discriminator`."""
    arguments.check(image_size, channels, variant, num_classes, conditional)
    _generator_rows(image_size, generator_filters)
    _discriminator_rows(image_size, discriminator_filters)


def _generator_rows(image_size, filters):
    rows = GENERATOR_OF_STAGES[START[image_size].stages]
    return arguments.scaled_rows("generator", rows, filters, printed=rows[0].width)


def _discriminator_rows(image_size, filters):
    rows = DISCRIMINATOR[:1] * (START[image_size].stages - 3) + DISCRIMINATOR
    return arguments.scaled_rows("discriminator", rows, filters, printed=rows[-1].width)


def _block(x, row, name, rectify, spectral, takes_image=False):
    """Builds `path + shortcut` of x (n, h, w, channels): two convolutions, of what is rectified.

    `rectify(x, site)` normalises and rectifies. The shortcut is the input itself where its shape
    stays; else a 1x1 convolution of it, resampled. The block that takes the image does not rectify
    it, and resamples it before the 1x1 convolution.
    """

    def conv(x, kernel, part):
        layer = keras.layers.Conv2D(
            row.width, kernel, padding="same", kernel_initializer=he(), name=f"{name}_{part}"
        )
        return heads.normalized(layer, spectral)(x)

    def up(x):
        return keras.layers.UpSampling2D(2)(x) if row.resample == "up" else x

    def down(x):
        return keras.layers.AveragePooling2D(2)(x) if row.resample == "down" else x

    path = x if takes_image else rectify(x, f"{name}_norm_1")
    path = conv(up(path), 3, "conv_1")
    path = down(conv(rectify(path, f"{name}_norm_2"), 3, "conv_2"))
    if takes_image:
        shortcut = conv(down(x), 1, "shortcut")
    elif row.resample == "same" and x.shape[-1] == row.width:
        shortcut = x
    else:
        shortcut = down(up(conv(x, 1, "shortcut")))
    return keras.layers.Add(name=name)([path, shortcut])


def he():
    """Makes an initializer: uniform with deviation sqrt(4 / (k^2 (in + out))), of a k x k kernel.

    A new one for each kernel: an initializer draws the same numbers each time.
    """
    return keras.initializers.VarianceScaling(2.0, "fan_avg", "uniform")
