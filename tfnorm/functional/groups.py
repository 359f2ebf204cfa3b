"""Channel groups: which channels whiten together, and the layouts in which they do so at once."""

import functools
import typing

import tensorflow as tf

# Elements of the rows from which on, and channels of a group for which, a grouped convolution was
# measured to be faster than a transpose: oneDNN's kernels compute 16 channels at a time.
_MANY = 1_000_000
_CONVOLUTION_SIZE = 16


class Block(typing.NamedTuple):
    """A run of equal groups: `groups` times `size` channels, the first of them `start`."""

    start: int
    groups: int
    size: int

    @property
    def channels(self) -> int:
        return self.groups * self.size


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


def channels_of(x: tf.Tensor) -> int:
    """The number of channels of a tensor whose last size it is."""
    return typing.cast("int", x.shape[-1])


def to_rows(x: tf.Tensor, axis: int = -1) -> tf.Tensor:
    """Views (batch, ..., channels), the channels at `axis`, as rows (n, channels)."""
    x = _channels_last(x, axis)
    return x if x.shape.rank == 2 else tf.reshape(x, [-1, x.shape[-1]])


def to_samples(x: tf.Tensor, axis: int = -1) -> tf.Tensor:
    """Views (batch, ..., channels), the channels at `axis`, as (batch, pixels, channels)."""
    x = _channels_last(x, axis)
    if x.shape.rank == 2:
        return x[:, tf.newaxis]
    # Not -1 for the pixels: an empty batch would leave them open.
    spatial = x.shape[1:-1]
    fixed = spatial.is_fully_defined()
    pixels = spatial.num_elements() if fixed else tf.reduce_prod(tf.shape(x)[1:-1])
    return tf.reshape(x, [tf.shape(x)[0], pixels, x.shape[-1]])


def from_rows(rows: tf.Tensor, like: tf.Tensor, axis: int = -1) -> tf.Tensor:
    """Undoes `to_rows`: rows (n, channels) in the shape of the tensor `like`."""
    rank = like.shape.rank
    axis %= rank
    if rank == 2:
        return rows
    if axis == rank - 1:
        return tf.ensure_shape(tf.reshape(rows, tf.shape(like)), like.shape)
    order = [i for i in range(rank) if i != axis] + [axis]
    x = tf.reshape(rows, tf.gather(tf.shape(like), order))
    x = tf.transpose(x, [order.index(i) for i in range(rank)])
    return tf.ensure_shape(x, like.shape)


def _channels_last(x, axis):
    rank = x.shape.rank
    axis %= rank
    if axis == rank - 1:
        return x
    return tf.transpose(x, [i for i in range(rank) if i != axis] + [axis])


class DenseLayout:
    """Rows stay (n, C); one product over all channels, of which groups are the diagonal blocks.

    The fastest where there is one group, or where the product is small enough that the entries
    between groups cost less than a transpose of the rows.
    """

    def __init__(self, block: Block):
        self.block = block

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        return rows

    def merge(self, rows: tf.Tensor) -> tf.Tensor:
        return rows

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """a^T b within each group: (n, C) and (n, C) to (groups, size, size)."""
        product = tf.matmul(a, b, transpose_a=True)
        _, groups, size = self.block
        if groups == 1:
            return product[tf.newaxis]
        product = tf.reshape(product, [groups, size, groups, size])
        return tf.stack([product[g, :, g, :] for g in range(groups)])

    def apply(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Each row by its group's matrix M, as r -> M r: (n, C) to (n, C)."""
        return tf.matmul(rows, self._block_diagonal(matrices), transpose_b=True)

    def apply_transposed(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """As `apply`, r -> M^T r."""
        return tf.matmul(rows, self._block_diagonal(matrices))

    def subtract(self, rows: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """rows - row, (n, C) and (1, C): as a bias, which TensorFlow adds within a product."""
        return tf.nn.bias_add(rows, -row[0])

    def _block_diagonal(self, matrices):
        _, groups, size = self.block
        if groups == 1:
            return matrices[0]
        padded = [
            tf.pad(matrices[g], [[0, 0], [g * size, (groups - 1 - g) * size]])
            for g in range(groups)
        ]
        return tf.concat(padded, axis=0)


class BatchedLayout:
    """Rows are (groups, n, size): one transpose in, batched products, one transpose out."""

    def __init__(self, block: Block):
        self.block = block

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        return tf.transpose(tf.reshape(rows, [-1, self.block.groups, self.block.size]), [1, 0, 2])

    def merge(self, rows: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.transpose(rows, [1, 0, 2]), [-1, self.block.channels])

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """a^T b within each group: twice (groups, n, size) to (groups, size, size)."""
        return tf.matmul(a, b, transpose_a=True)

    def apply(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Each row by its group's matrix M, as r -> M r: (groups, n, size) to the same."""
        return tf.matmul(rows, matrices, transpose_b=True)

    def apply_transposed(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """As `apply`, r -> M^T r."""
        return tf.matmul(rows, matrices)

    def subtract(self, rows: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """rows - row, (groups, n, size) and (groups, 1, size)."""
        return rows - row


class ConvolutionLayout:
    """Rows stay (n, C); products within groups are a grouped 1x1 convolution and its gradient.

    The fastest where there are many rows in groups of 16, as no row is transposed. It needs oneDNN:
    see `has_grouped_convolution`.
    """

    def __init__(self, block: Block):
        self.block = block

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        return rows

    def merge(self, rows: tf.Tensor) -> tf.Tensor:
        return rows

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """a^T b within each group: (n, C) and (n, C) to (groups, size, size)."""
        _, groups, size = self.block
        product = tf.raw_ops.Conv2DBackpropFilter(
            input=self._image(b),
            filter_sizes=[1, 1, size, self.block.channels],
            out_backprop=self._image(a),
            strides=[1, 1, 1, 1],
            padding="VALID",
        )
        return tf.transpose(tf.reshape(product, [size, groups, size]), [1, 2, 0])

    def apply(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Each row by its group's matrix M, as r -> M r: (n, C) to (n, C)."""
        return self._convolve(rows, tf.transpose(matrices, [2, 0, 1]))

    def apply_transposed(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """As `apply`, r -> M^T r."""
        return self._convolve(rows, tf.transpose(matrices, [1, 0, 2]))

    def subtract(self, rows: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """rows - row, (n, C) and (1, C)."""
        return tf.nn.bias_add(rows, -row[0])

    def _convolve(self, rows, kernel):
        """The convolution by a kernel (size, groups, size), input channels first."""
        kernel = tf.reshape(kernel, [1, 1, self.block.size, self.block.channels])
        y = tf.nn.conv2d(self._image(rows), kernel, strides=1, padding="VALID")
        return tf.reshape(y, [-1, self.block.channels])

    def _image(self, rows):
        """Rows as the pixels of one image, which oneDNN is fastest at if it is 8 pixels wide."""
        n = rows.shape[0]
        if n is None:
            n = tf.shape(rows)[0]
            width = tf.where(tf.equal(tf.math.floormod(n, 8), 0), 8, 1)
        else:
            width = 8 if n % 8 == 0 else 1
        return tf.reshape(rows, [1, n // width, width, self.block.channels])


Layout = DenseLayout | BatchedLayout | ConvolutionLayout


@functools.cache
def has_grouped_convolution() -> bool:
    """Whether this machine's CPU has the gradient of a grouped convolution: only oneDNN does."""
    if tf.config.list_physical_devices("GPU"):
        return False  # nothing was measured there
    layout = ConvolutionLayout(Block(0, 2, 1))
    with tf.init_scope():
        try:
            layout.gram(tf.ones([2, 2]), tf.ones([2, 2]))
        except tf.errors.OpError:
            return False
    return True


def layout(block: Block) -> Layout:
    """The layout that was measured to be the fastest on CPU to apply matrices to `block`."""
    dense = block.groups == 1 or (block.channels <= 64 and block.size >= 32)
    return DenseLayout(block) if dense else BatchedLayout(block)


def training_layout(block: Block, rows: tf.Tensor, expected_rows: int | None = None) -> Layout:
    """The layout that was measured to be the fastest on CPU for whitening and its gradient.

    Args:
        block: a `Block`.
        rows: (n, channels of the block).
        expected_rows: used for n where that is unknown; None is few.
    """
    usual = layout(block)
    n = rows.shape[0] or expected_rows or 0
    many = n * block.channels >= _MANY and rows.dtype == tf.float32
    fits = block.size == _CONVOLUTION_SIZE and block.groups > 1
    return ConvolutionLayout(block) if many and fits and has_grouped_convolution() else usual
