"""The DCGAN of Table VII: the table's rows, and the fold that builds them, and Table VIII's.

Reference: Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
https://arxiv.org/abs/2003.12327, supplement, section C.2.1. What the table leaves out follows the
authors' code: LeakyReLU of slope 0.3, Glorot uniform kernels, biases everywhere, spectral
normalization of every layer of the discriminator.
"""

import typing

import keras

from gan.networks import arguments, heads
from gan.networks.arguments import START


class TableRow(typing.NamedTuple):
    """A row of a table, a convolution or deconvolution: square kernel, stride, and channels out."""

    kernel: int
    stride: int
    width: int


class Table(typing.NamedTuple):
    """Rows of a DCGAN for images of 32 pixels; the discriminator's by variant."""

    generator: tuple[TableRow, ...]
    discriminator: dict[str, tuple[TableRow, ...]]


# Table VII (a): dense 4 x 4 x 256, then these, then 3x3 to the image and tanh.
GENERATOR = (
    TableRow(4, 2, 256),
    TableRow(4, 2, 128),
    TableRow(4, 2, 64),
)

# Table VII (b): these, then dense to 1. The authors released 4x4 convolutions where the stride
# is 2, which the table prints for the large network only.
DISCRIMINATOR = {
    "paper": (
        TableRow(3, 1, 32),
        TableRow(3, 2, 64),
        TableRow(3, 1, 64),
        TableRow(3, 2, 128),
        TableRow(3, 1, 128),
        TableRow(3, 2, 256),
        TableRow(3, 1, 256),
    ),
    "released": (
        TableRow(3, 1, 32),
        TableRow(4, 2, 64),
        TableRow(3, 1, 64),
        TableRow(4, 2, 128),
        TableRow(3, 1, 128),
        TableRow(4, 2, 256),
        TableRow(3, 1, 256),
    ),
}

TABLE = Table(GENERATOR, DISCRIMINATOR)

LEAK = 0.3


def generator(
    norm,
    *,
    image_size=32,
    channels=3,
    filters=None,
    variant="paper",
    num_classes=None,
    spectral=False,
    table=TABLE,
):
    """Builds the generator: latent (n, 128) to images (n, size, size, channels) in [-1, 1].

    Args:
        norm: factory of normalizations, `norm(name) -> f(x, labels=None)`.
        image_size: a key of `START`. 28 leaves out the table's last deconvolution; larger ones than
            48 go on as it ends, with half the width each time: F/8, F/16, F/32.
        channels: of the images, 1 or 3.
        filters: F, the width of the first deconvolution; None: the table's. A multiple of 4, or of
            8 for images of 64 and 96 pixels, 16 for 128, 32 for 256.
        variant: "paper" normalises after each deconvolution, as printed; "released" before each,
            and once more before the last convolution.
        num_classes: number of classes; None: not conditional. With classes the model takes
            [latent, labels], labels int32 (n,), which all normalizations but the last are given.
        spectral: whether the dense layer and the convolution are spectrally normalised;
            deconvolutions never are, and colorings as the factory says.
        table: a `Table`.

    Returns:
        A Keras model.
    """
    check(
        image_size=image_size,
        channels=channels,
        variant=variant,
        generator_filters=filters,
        num_classes=num_classes,
        table=table,
    )
    size = START[image_size].size
    rows = _generator_rows(table, image_size, filters)
    before = variant == "released"
    sites = [f"norm_{i + 1}" for i in range(len(rows) + before)]
    latent, labels = heads.latent_and_labels(num_classes)
    remaining = iter(sites)

    def normalize(x):
        site = next(remaining)
        return keras.layers.ReLU()(norm(site)(x, None if site == sites[-1] else labels))

    dense = keras.layers.Dense(size * size * rows[0].width, name="dense")
    x = heads.normalized(dense, spectral)(latent)
    x = keras.layers.Reshape((size, size, rows[0].width))(x)
    for i, row in enumerate(rows):
        x = normalize(x) if before else x
        x = keras.layers.Conv2DTranspose(
            row.width, row.kernel, row.stride, padding="same", name=f"deconv_{i + 1}"
        )(x)
        x = x if before else normalize(x)
    x = normalize(x) if before else x
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
    table=TABLE,
):
    """Builds the discriminator: images (n, size, size, channels) in [-1, 1] to logits (n, 1).

    Args:
        image_size: see `generator`. Each doubling of 32 or 48 repeats the table's last two rows
            once more: the last feature map is 4x4 as for 32, for 28 too, and for 48 and 96, 6x6.
        channels, variant, table: see `generator`.
        filters: the width of the last convolution; None: the table's. A multiple of 8.
        norm: factory of normalizations as the generator's, or None. There is one after each
            convolution but the first, without labels.
        num_classes, conditional: see `heads.discriminator`. A projection compares labels to the sum
            over positions, as a ResNet does: the table's score is of the flattened features, which
            vectors of the last width do not fit.
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
        table=table,
    )
    image = keras.Input((image_size, image_size, channels), name="image")
    x = image
    for i, row in enumerate(_discriminator_rows(table, image_size, filters, variant)):
        conv = keras.layers.Conv2D(
            row.width, row.kernel, row.stride, padding="same", name=f"conv_{i + 1}"
        )
        x = heads.normalized(conv, spectral, name=f"spectral_{i + 1}")(x)
        x = norm(f"norm_{i + 1}")(x) if norm and i else x
        x = keras.layers.LeakyReLU(LEAK)(x)
    return heads.discriminator(
        image,
        keras.layers.Flatten()(x),
        keras.ops.sum(x, axis=(1, 2)),
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
    table=TABLE,
):
    """Raises `ValueError` if there are no such networks: see `generator`, `discriminator`."""
    arguments.check(image_size, channels, variant, num_classes, conditional)
    _generator_rows(table, image_size, generator_filters)
    _discriminator_rows(table, image_size, discriminator_filters, variant)


def _generator_rows(table, image_size, filters):
    stages = START[image_size].stages
    rows = list(table.generator[:stages])
    for _ in range(stages - 3):
        rows.append(rows[-1]._replace(width=rows[-1].width // 2))
    return arguments.scaled_rows("generator", rows, filters, printed=table.generator[0].width)


def _discriminator_rows(table, image_size, filters, variant):
    rows = table.discriminator[variant]
    rows += rows[-2:] * (START[image_size].stages - 3)
    return arguments.scaled_rows("discriminator", rows, filters, printed=rows[-1].width)
