"""Channel groups: which channels whiten together, and inputs of any rank as rows of channels."""

import math
import typing

import tensorflow as tf

from tfnorm.functional.shapes import known_size

# Rows that a statistic is over, in channels of a group, below which it is mostly noise.
ENOUGH = 2


class Block(typing.NamedTuple):
    """A run of equal groups: `groups` times `size` channels, the first of them `start`."""

    start: int
    groups: int
    size: int

    @property
    def channels(self) -> int:
        """How many channels there are in all of its groups."""
        return self.groups * self.size

    @property
    def span(self) -> slice:
        """Where its channels are among all."""
        return slice(self.start, self.start + self.channels)

    @property
    def matrices_shape(self) -> tuple[int, int, int]:
        """The shape of a matrix for each of its groups, (groups, size, size)."""
        return self.groups, self.size, self.size


def blocks(channels: int, group_size: int | None = None) -> list[Block]:
    """Cuts channels into contiguous groups of equal size, and what is left over.

    Args:
        channels: number of channels.
        group_size: channels in a group; None, or at least `channels`, is one group.

    Returns:
        A list of one `Block`, or of two if `group_size` does not divide `channels`: the second is
        the single, smaller last group.
    """
    if group_size is None or group_size >= channels:
        return [Block(0, 1, channels)]
    groups, rest = divmod(channels, group_size)
    whole = Block(0, groups, group_size)
    return [whole, Block(whole.channels, 1, rest)] if rest else [whole]


def warning_of_few(rows: int, size: int) -> str | None:
    """Words a warning where rows are too few for the statistics of groups of a size, else None."""
    if not 0 < rows < ENOUGH * size:
        return None
    return (
        f"groups of {size} channels by the statistics of {rows} rows (batch times positions): of "
        f"fewer than {ENOUGH * size} they are mostly noise, and inference differs from training. "
        "Take a larger batch or a smaller `group_size`."
    )


def warning_of_groups(values: int, groups: int) -> str | None:
    """Words a warning where a sample's groups are too few to whiten, or their values, else None."""
    if groups == 1:
        return (
            "nothing: it has one group, and is GroupNormalization with one group. Take more "
            "`groups`, of fewer channels."
        )
    if not 0 < values < ENOUGH * groups:
        return None
    return (
        f"{groups} groups by the {values} values that each has in a sample: of fewer than "
        f"{ENOUGH * groups} they are mostly noise. Take fewer `groups`."
    )


def join(parts: list[tf.Tensor]) -> tf.Tensor:
    """Joins the blocks' tensors (..., channels of the block) to one, (..., channels)."""
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1)


def to_rows(x: tf.Tensor, axis: int = -1) -> tf.Tensor:
    """Views (batch, ..., channels), the channels at `axis`, as rows (n, channels)."""
    x = _channels_last(x, axis)
    return x if x.shape.rank == 2 else tf.reshape(x, [-1, known_size(x)])


def to_samples(x: tf.Tensor, axis: int = -1) -> tf.Tensor:
    """Views (batch, ..., channels), the channels at `axis`, as (batch, pixels, channels)."""
    x = _channels_last(x, axis)
    if x.shape.rank == 2:
        return x[:, tf.newaxis]
    # Not -1 for the pixels: an empty batch would leave them open.
    sizes = [size for size in x.shape[1:-1] if size is not None]
    fixed = len(sizes) == x.shape.rank - 2
    pixels = math.prod(sizes) if fixed else tf.reduce_prod(tf.shape(x)[1:-1])
    return tf.reshape(x, [tf.shape(x)[0], pixels, known_size(x)])


def from_rows(rows: tf.Tensor, like: tf.Tensor, axis: int = -1) -> tf.Tensor:
    """Undoes `to_rows`: rows (n, channels) in the shape of the tensor `like`."""
    rank = like.shape.rank
    axis %= rank
    if rank == 2:
        return rows
    if axis == rank - 1:
        return tf.reshape(rows, tf.shape(like))
    order = [i for i in range(rank) if i != axis] + [axis]
    x = tf.reshape(rows, tf.gather(tf.shape(like), order))
    x = tf.transpose(x, [order.index(i) for i in range(rank)])
    return tf.ensure_shape(x, like.shape)


def expected_rows(x: tf.Tensor, axis: int = -1, batch: int = 32) -> int:
    """Estimates how many rows `to_rows` makes of x where not all of its sizes are known.

    Args:
        x: (batch, ..., channels), the channels at `axis`.
        axis: the channels' axis.
        batch: taken for the batch's size if that is unknown, by default Keras'. Of the other axes
            those of unknown size are left out.
    """
    first, *others = x.shape
    return (first or batch) * (math.prod(size or 1 for size in others) // known_size(x, axis))


def _channels_last(x: tf.Tensor, axis: int) -> tf.Tensor:
    rank = x.shape.rank
    axis %= rank
    if axis == rank - 1:
        return x
    return tf.transpose(x, [i for i in range(rank) if i != axis] + [axis])
