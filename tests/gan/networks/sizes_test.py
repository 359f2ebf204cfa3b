"""Networks for images of other sizes than the tables'."""

import pytest

from gan.config import Config
from gan.networks import IMAGE_SIZES
from tests.gan.networks.built import discriminator, generator
from tests.sources import ROOT

# Image size: of the generator, each stage's width, the first its filters; of the discriminators,
# the number of convolutions or blocks, and the size of the last feature map.
DCGAN_SIZES = {
    28: ([16, 8], 7, 4),
    32: ([16, 8, 4], 7, 4),
    48: ([16, 8, 4], 7, 6),
    64: ([16, 8, 4, 2], 9, 4),
    96: ([16, 8, 4, 2], 9, 6),
    128: ([16, 8, 4, 2, 1], 11, 4),
    256: ([32, 16, 8, 4, 2, 1], 13, 4),
}
RESNET_SIZES = {
    28: ([16, 16], 4, 7),
    32: ([16, 16, 16], 4, 8),
    48: ([16, 16, 16], 4, 12),
    64: ([16, 16, 16, 16], 5, 8),
    96: ([16, 16, 16, 16], 5, 12),
    128: ([16, 16, 16, 8, 4], 6, 8),
    256: ([16, 16, 16, 8, 4, 2], 7, 8),
}
SIZES = [
    (arch, stage, row, size, *expected)
    for arch, stage, row, sizes in (
        ("dcgan", "deconv", "conv", DCGAN_SIZES),
        ("resnet", "block", "block", RESNET_SIZES),
    )
    for size, expected in sizes.items()
]


@pytest.mark.parametrize(("arch", "stage", "row", "size", "widths", "rows", "last"), SIZES)
def test_images_of_other_sizes(arch, stage, row, size, widths, rows, last):
    channels = 1 if size == 28 else 3
    model = generator(arch, image_size=size, channels=channels, filters=widths[0])
    assert model.output_shape == (None, size, size, channels)
    start = size // 2 ** len(widths)
    assert model.get_layer("dense").output.shape == (None, start * start * widths[0])
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
    assert IMAGE_SIZES == tuple(DCGAN_SIZES) == tuple(RESNET_SIZES)


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


def test_help_and_page_name_all_sizes():
    (field,) = (field for field in Config.options() if field.name == "image_size")
    *first, last = map(str, IMAGE_SIZES)
    assert f"networks of {', '.join(first)} and {last}." in field.metadata["help"]
    page = (ROOT / "docs/train_gans.md").read_text()
    assert f"`--image_size={'|'.join(map(str, IMAGE_SIZES))}`" in page
