"""The checks that all networks share: of their images, classes and widths."""


def check(shape, num_classes, depth, width, smallest=1):
    """Raises `ValueError` if there are no networks of such arguments, whatever the architecture.

    Args:
        shape: of an image, (h, w, channels), in pixels.
        num_classes, depth, width: positive integers.
        smallest: what h and w are at least, in pixels.
    """
    values = (*shape,) if isinstance(shape, (tuple, list)) else ()
    if len(values) != 3 or not all(map(_is_positive, values)):
        raise ValueError(
            "`shape` must be an image's (height, width, channels), positive integers. "
            f"Received: shape={shape!r}"
        )
    if min(values[:2]) < smallest:
        raise ValueError(
            f"Images must be at least {smallest} x {smallest} pixels: the network halves them "
            f"until nothing is left of smaller ones. Received: shape={shape!r}"
        )
    for name, value in (("num_classes", num_classes), ("depth", depth), ("width", width)):
        if not _is_positive(value):
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")


def _is_positive(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
