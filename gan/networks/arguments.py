"""The arguments that all architectures take: sizes of images, variants, classes, filters."""

import math
import typing

from gan.networks.heads import HEADS


class Start(typing.NamedTuple):
    """The size of the generator's first feature map in pixels, and how many stages double it."""

    size: int
    stages: int


# By image size in pixels. The supplement's tables are for 32.
START = {
    28: Start(7, 2),
    32: Start(4, 3),
    48: Start(6, 3),
    64: Start(4, 4),
    96: Start(6, 4),
    128: Start(4, 5),
    256: Start(4, 6),
}

VARIANTS = ("paper", "released")


def check(image_size, channels, variant, num_classes, conditional):
    """Raises `ValueError` if there are no such networks, of any architecture."""
    if channels not in (1, 3):
        raise ValueError(f"Images must have 1 or 3 channels. Received: channels={channels}")
    for name, value, choices in (
        ("image_size", image_size, sorted(START)),
        ("variant", variant, list(VARIANTS)),
        ("conditional", conditional, list(HEADS)),
    ):
        if value not in choices:
            raise ValueError(f"`{name}` must be one of {choices}. Received: {name}={value!r}")
    if num_classes is None and conditional != "none":
        raise ValueError(
            "A conditional discriminator must have `num_classes`. "
            f"Received: conditional={conditional!r}, num_classes=None"
        )
    if num_classes is not None and num_classes < 1:
        raise ValueError(
            f"`num_classes` must be positive, or None. Received: num_classes={num_classes}"
        )


def scaled_rows(network, rows, filters, printed):
    """Scales the widths of a table's rows: as for `filters` where the table has `printed`.

    Args:
        network: "generator" or "discriminator", for the error.
        rows: named tuples with a `width`, a divisor of `printed` each.
        filters: channels, a multiple of what keeps all widths whole; None: as printed.
        printed: the table's own number.

    Returns:
        A list of rows.

    Raises:
        ValueError: if a width would not be whole.
    """
    filters = printed if filters is None else filters
    multiple = printed // math.gcd(*[row.width for row in rows])
    if filters < 1 or filters % multiple:
        raise ValueError(
            f"The {network}'s filters must be a positive multiple of {multiple}. "
            f"Received: filters={filters}"
        )
    return [row._replace(width=row.width * filters // printed) for row in rows]
