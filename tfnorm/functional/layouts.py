"""Layouts: how all groups of a block are multiplied by their matrices at once."""

import functools
import typing

import tensorflow as tf

from tfnorm.functional.groups import Block

# Elements of the rows from which on, and channels of a group for which, a grouped convolution was
# measured to be faster than a transpose: oneDNN's kernels compute 16 channels at a time.
_MANY = 1_000_000
_CONVOLUTION_SIZE = 16


class Layout(typing.Protocol):
    """How rows (n, channels of the block) are held, and multiplied within the block's groups.

    What is held is `split` of the rows; it is (n, channels) or (groups, n, size). Matrices are
    (groups, size, size).
    """

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        """Holds rows (n, channels) in the layout."""
        ...

    def merge(self, rows: tf.Tensor) -> tf.Tensor:
        """Undoes `split`: rows (n, channels)."""
        ...

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Multiplies a^T b within each group, a and b held: (groups, size, size)."""
        ...

    def apply(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies each row by its group's matrix M, as r -> M r, from held to held."""
        ...

    def apply_transposed(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies as `apply` does, r -> M^T r."""
        ...

    def subtract(self, rows: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """Subtracts one row, held, from all."""
        ...


class DenseLayout:
    """Rows stay (n, C); one product over all channels, of which groups are the diagonal blocks.

    The fastest where there is one group, or where the product is small enough that the entries
    between groups cost less than a transpose of the rows.
    """

    def __init__(self, block: Block) -> None:
        self.block = block

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns the rows."""
        return rows

    def merge(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns the rows."""
        return rows

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Multiplies a^T b within each group: (n, C) and (n, C) to (groups, size, size)."""
        product = tf.matmul(a, b, transpose_a=True)
        _, groups, size = self.block
        if groups == 1:
            return product[tf.newaxis]
        product = tf.reshape(product, [groups, size, groups, size])
        return tf.stack([product[g, :, g, :] for g in range(groups)])

    def apply(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies each row by its group's matrix M, as r -> M r: (n, C) to (n, C)."""
        return tf.matmul(rows, self._block_diagonal(matrices), transpose_b=True)

    def apply_transposed(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies as `apply` does, r -> M^T r."""
        return tf.matmul(rows, self._block_diagonal(matrices))

    def subtract(self, rows: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """Subtracts (1, C) from (n, C): as a bias, which TensorFlow adds within a product."""
        return tf.nn.bias_add(rows, -row[0])

    def _block_diagonal(self, matrices: tf.Tensor) -> tf.Tensor:
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

    def __init__(self, block: Block) -> None:
        self.block = block

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        """Transposes (n, C) to (groups, n, size)."""
        return tf.transpose(tf.reshape(rows, [-1, self.block.groups, self.block.size]), [1, 0, 2])

    def merge(self, rows: tf.Tensor) -> tf.Tensor:
        """Transposes (groups, n, size) to (n, C)."""
        return tf.reshape(tf.transpose(rows, [1, 0, 2]), [-1, self.block.channels])

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Multiplies a^T b within each group: twice (groups, n, size) to (groups, size, size)."""
        return tf.matmul(a, b, transpose_a=True)

    def apply(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies each row by its group's matrix M, as r -> M r: (groups, n, size) each way."""
        return tf.matmul(rows, matrices, transpose_b=True)

    def apply_transposed(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies as `apply` does, r -> M^T r."""
        return tf.matmul(rows, matrices)

    def subtract(self, rows: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """Subtracts (groups, 1, size) from (groups, n, size)."""
        return rows - row


class ConvolutionLayout:
    """Rows stay (n, C); products within groups are a grouped 1x1 convolution and its gradient.

    The fastest where there are many rows in groups of 16, as no row is transposed. It needs oneDNN:
    see `has_grouped_convolution`.
    """

    def __init__(self, block: Block) -> None:
        self.block = block

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns the rows."""
        return rows

    def merge(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns the rows."""
        return rows

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Multiplies a^T b within each group: (n, C) and (n, C) to (groups, size, size)."""
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
        """Multiplies each row by its group's matrix M, as r -> M r: (n, C) to (n, C)."""
        return self._convolve(rows, tf.transpose(matrices, [2, 0, 1]))

    def apply_transposed(self, rows: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies as `apply` does, r -> M^T r."""
        return self._convolve(rows, tf.transpose(matrices, [1, 0, 2]))

    def subtract(self, rows: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """Subtracts (1, C) from (n, C)."""
        return tf.nn.bias_add(rows, -row[0])

    def _convolve(self, rows: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The convolution by a kernel (size, groups, size), input channels first."""
        kernel = tf.reshape(kernel, [1, 1, self.block.size, self.block.channels])
        y = tf.nn.conv2d(self._image(rows), kernel, strides=1, padding="VALID")
        return tf.reshape(y, [-1, self.block.channels])

    def _image(self, rows: tf.Tensor) -> tf.Tensor:
        """Rows as the pixels of one image, which oneDNN is fastest at if it is 8 pixels wide."""
        n = rows.shape[0]
        if n is None:
            n = tf.shape(rows)[0]
            width = tf.where(tf.math.floormod(n, 8) == 0, 8, 1)
        else:
            width = 8 if n % 8 == 0 else 1
        return tf.reshape(rows, [1, n // width, width, self.block.channels])


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


def fastest_layout(block: Block) -> Layout:
    """Chooses the layout that was measured to be the fastest on CPU to apply matrices."""
    dense = block.groups == 1 or (block.channels <= 64 and block.size >= 32)
    return DenseLayout(block) if dense else BatchedLayout(block)


def fastest_training_layout(
    block: Block, rows: tf.Tensor, expected_rows: int | None = None
) -> Layout:
    """Chooses the layout that was measured to be the fastest on CPU to whiten with a gradient.

    Args:
        block: a `Block`.
        rows: (n, channels of the block).
        expected_rows: used for n where that is unknown; None is few.
    """
    n = rows.shape[0] or expected_rows or 0
    many = n * block.channels >= _MANY and rows.dtype == tf.float32
    fits = block.size == _CONVOLUTION_SIZE and block.groups > 1
    if many and fits and has_grouped_convolution():
        return ConvolutionLayout(block)
    return fastest_layout(block)
