"""Layouts: how all groups of a block are multiplied by their matrices at once."""

import functools
import itertools
import typing
from collections.abc import Sequence

import tensorflow as tf

from tfnorm.functional import statistics
from tfnorm.functional.compilation import is_compiling
from tfnorm.functional.gradients import nested_gradient
from tfnorm.functional.groups import Block
from tfnorm.functional.shapes import first_divisor, known_size, size

# Channels that oneDNN's grouped convolutions compute at a time on CPU.
_LANES = 16
# Height and width of the images that they are fastest at.
_SIDE = 8
# Rows that are summed over at once, and into how many sums at most the rows are divided.
_TERMS = 8192
_PARTS = 4
# Elements of the rows from which on they were measured to be faster than a transpose.
_MANY = 1_000_000
# Channels of a single group from which on a batched product was measured to be faster.
_LARGE = 512


class Layout(typing.Protocol):
    """How rows (n, channels of the block) are held, and multiplied within the block's groups.

    What is held is `split` of the rows. Matrices are (groups, size, size), a bias (channels,).

    Attributes:
        takes_raw_rows: whether to spare a centred copy of the rows is worth the trouble.
    """

    takes_raw_rows: bool

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        """Holds rows (n, channels) in the layout."""
        ...

    def merge(self, parts: Sequence[tf.Tensor], bias: tf.Tensor | None = None) -> tf.Tensor:
        """Undoes `split`: rows (n, channels), of the sum of what is held and a bias to each row.

        Right after a product TensorFlow adds the bias to the first, and the second, as it goes.
        """
        ...

    def weigh(self, held: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Multiplies each row by its weight, (n,)."""
        ...

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Multiplies a^T b within each group, a and b held: (groups, size, size)."""
        ...

    def apply(self, held: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies each row by its group's matrix M, as r -> M r, from held to held."""
        ...

    def apply_transposed(self, held: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies as `apply` does, r -> M^T r."""
        ...


class DenseLayout:
    """Rows stay (n, C); one product over all channels, of which groups are the diagonal blocks.

    The fastest where there is one group, or where the product is small enough that the entries
    between groups cost less than a transpose of the rows.
    """

    takes_raw_rows = False

    def __init__(self, block: Block) -> None:
        self.block = block

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns the rows."""
        return rows

    def merge(self, parts: Sequence[tf.Tensor], bias: tf.Tensor | None = None) -> tf.Tensor:
        """Sums parts (n, C) and a bias (C,)."""
        return _sum(_biased(parts[0], bias), *parts[1:])

    def weigh(self, held: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Multiplies (n, C) by (n,)."""
        return held * weights[:, tf.newaxis]

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Multiplies a^T b within each group: (n, C) and (n, C) to (groups, size, size)."""
        product = tf.matmul(a, b, transpose_a=True)
        return _diagonal_blocks(product[tf.newaxis], self.block.groups)

    def apply(self, held: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies each row by its group's matrix M, as r -> M r: (n, C) to (n, C)."""
        return tf.matmul(held, self._block_diagonal(matrices), transpose_b=True)

    def apply_transposed(self, held: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies as `apply` does, r -> M^T r."""
        return tf.matmul(held, self._block_diagonal(matrices))

    def _block_diagonal(self, matrices: tf.Tensor) -> tf.Tensor:
        return _block_diagonals(matrices, self.block.groups)[0]


class BatchedLayout:
    """Rows are (groups, n, size): one transpose in, batched products, one transpose out."""

    takes_raw_rows = False

    def __init__(self, block: Block) -> None:
        self.block = block

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        """Transposes (n, C) to (groups, n, size)."""
        return tf.transpose(tf.reshape(rows, [-1, self.block.groups, self.block.size]), [1, 0, 2])

    def merge(self, parts: Sequence[tf.Tensor], bias: tf.Tensor | None = None) -> tf.Tensor:
        """Sums parts (groups, n, size), transposes them to (n, C), and adds a bias (C,)."""
        rows = tf.reshape(tf.transpose(_sum(*parts), [1, 0, 2]), [-1, self.block.channels])
        return _biased(rows, bias)

    def weigh(self, held: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Multiplies (groups, n, size) by (n,)."""
        return held * weights[:, tf.newaxis]

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Multiplies a^T b within each group: twice (groups, n, size) to (groups, size, size)."""
        return tf.matmul(a, b, transpose_a=True)

    def apply(self, held: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies each row by its group's matrix M, as r -> M r: (groups, n, size) each way."""
        return tf.matmul(held, matrices, transpose_b=True)

    def apply_transposed(self, held: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies as `apply` does, r -> M^T r."""
        return tf.matmul(held, matrices)


class ConvolutionLayout:
    """Rows are the pixels of images; products within groups are a grouped 1x1 convolution's.

    No row is transposed, and oneDNN adds a bias and another convolution's output as it goes, as
    long as nothing, not a reshape, is between. It computes 16 channels at a time: smaller groups
    are the diagonal blocks of groups of 16. It needs oneDNN: see `has_grouped_convolution`.
    """

    takes_raw_rows = True

    def __init__(self, block: Block, rows: int = 0) -> None:
        """Makes the layout for a block, and for about so many rows."""
        self.block = block
        self._size = max(block.size, _LANES)
        # oneDNN's sums lose the more digits the more terms they have; a sum takes time of its own.
        self._parts = min(max(rows // _TERMS, 1), _PARTS)

    @staticmethod
    def takes(block: Block) -> bool:
        """Tells whether a block's groups fill oneDNN's lanes, and there are several such."""
        size = max(block.size, _LANES)
        whole = block.size % _LANES == 0 or _LANES % block.size == 0
        return whole and block.channels % size == 0 and block.channels > size

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        """Views (n, C) as (images, 8, 8, C), or with sides of 1 where 8 does not divide n."""
        n = size(rows, 0)
        width = first_divisor(n, (_SIDE, 1))
        height = first_divisor(n // width, (_SIDE, 1))
        return tf.reshape(rows, [n // width // height, height, width, self.block.channels])

    def merge(self, parts: Sequence[tf.Tensor], bias: tf.Tensor | None = None) -> tf.Tensor:
        """Sums parts (images, height, width, C) and a bias (C,), and views them as (n, C)."""
        held = _sum(_biased(parts[0], bias), *parts[1:])
        return tf.reshape(held, [-1, self.block.channels])

    def weigh(self, held: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Multiplies (images, height, width, C) by (n,)."""
        sizes = tf.concat([tf.shape(held)[:-1], [1]], 0)
        return held * tf.reshape(weights, sizes)

    def gram(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Multiplies a^T b within each group: twice (images, h, w, C) to (groups, size, size).

        Where TensorFlow vectorizes it (`jacobian`) for many a and one b, these are its input, not
        its gradients: for many of those it takes channels of other groups together.
        """
        channels, images = self.block.channels, size(a, 0)
        parts = self._parts
        ends = [images * part // parts for part in range(parts + 1)]
        products = [
            tf.raw_ops.Conv2DBackpropFilter(
                input=self._one_image(a[start:end]),
                filter_sizes=[1, 1, self._size, channels],
                out_backprop=self._one_image(b[start:end]),
                strides=[1, 1, 1, 1],
                padding="VALID",
            )
            for start, end in itertools.pairwise(ends)
        ]
        product = tf.reshape(tf.add_n(products), [self._size, -1, self._size])
        return _diagonal_blocks(tf.transpose(product, [1, 0, 2]), self._size // self.block.size)

    def apply(self, held: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies each row by its group's matrix M, as r -> M r: (images, h, w, C) each way."""
        return self._convolve(held, matrices, [2, 0, 1])

    def apply_transposed(self, held: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
        """Multiplies as `apply` does, r -> M^T r."""
        return self._convolve(held, matrices, [1, 0, 2])

    def _convolve(self, held: tf.Tensor, matrices: tf.Tensor, order: list[int]) -> tf.Tensor:
        """Convolves by matrices; `order`: of their axes the input's, the groups', the output's."""
        kernel = _block_diagonals(matrices, self._size // self.block.size)
        kernel = tf.reshape(tf.transpose(kernel, order), [1, 1, self._size, self.block.channels])
        return tf.nn.conv2d(held, kernel, strides=1, padding="VALID")

    def _one_image(self, held: tf.Tensor) -> tf.Tensor:
        """Images above each other, which the filter's gradient is fastest at."""
        return tf.reshape(held, [1, -1, size(held, 2), self.block.channels])


def multiply(
    layout: Layout, rows: tf.Tensor, matrices: tf.Tensor, bias: tf.Tensor | None = None
) -> tf.Tensor:
    """Multiplies rows (n, channels) by their groups' matrices M, as r -> M r + bias.

    The gradient of a convolution is its layout's, not TensorFlow's own: see `gram` there. And the
    bias is added by a sum, as this may be exported to where there is no oneDNN: there TensorFlow
    has grouped convolutions, but makes one op of such and of a BiasAdd, which it has not.
    """
    if not isinstance(layout, ConvolutionLayout):
        return layout.merge([layout.apply(layout.split(rows), matrices)], bias)

    @nested_gradient
    def product(rows: tf.Tensor, matrices: tf.Tensor, *bias: tf.Tensor):
        def gradient(dy: tf.Tensor) -> list[tf.Tensor]:
            split = layout.split(dy)
            d_rows = layout.merge([layout.apply_transposed(split, matrices)])
            d_matrices = layout.gram(split, layout.split(rows))
            return [d_rows, d_matrices, *(statistics.column_sums(dy) for _ in bias)]

        held = layout.apply(layout.split(rows), matrices)
        return layout.merge([sum(bias, held)]), gradient

    return product(rows, matrices, *([] if bias is None else [bias]))


def _biased(held: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    return held if bias is None else tf.nn.bias_add(held, bias)


def _sum(first: tf.Tensor, *others: tf.Tensor) -> tf.Tensor:
    return sum(others, first)


def _diagonal_blocks(matrices: tf.Tensor, count: int) -> tf.Tensor:
    """Cuts `count` blocks out of the diagonal of each matrix.

    Args:
        matrices: (m, count * size, count * size).
        count: blocks of a matrix.

    Returns:
        (m * count, size, size).
    """
    if count == 1:
        return matrices
    c = known_size(matrices) // count
    blocks = tf.reshape(matrices, [-1, count, c, count, c])
    blocks = tf.stack([blocks[:, k, :, k] for k in range(count)], 1)
    return tf.reshape(blocks, [-1, c, c])


def _block_diagonals(blocks: tf.Tensor, count: int) -> tf.Tensor:
    """Puts each `count` blocks (m * count, size, size) on a diagonal: undoes `_diagonal_blocks`."""
    if count == 1:
        return blocks
    c = known_size(blocks)
    # Padded: a product with ones and zeros would spread what is not finite.
    apart = tf.reshape(blocks, [-1, count, c, 1, c])
    padded = [
        tf.pad(apart[:, k], [[0, 0], [0, 0], [k, count - 1 - k], [0, 0]]) for k in range(count)
    ]
    return tf.reshape(tf.stack(padded, 1), [-1, count * c, count * c])


@functools.cache
def has_grouped_convolution() -> bool:
    """Whether this machine's CPU has the gradient of a grouped convolution: only oneDNN does."""
    if tf.config.list_physical_devices("GPU"):
        return False  # nothing was measured there
    layout = ConvolutionLayout(Block(0, 2, _LANES))
    with tf.init_scope():
        rows = layout.split(tf.ones([2, 2 * _LANES]))
        try:
            layout.gram(rows, rows)
        except tf.errors.OpError:
            return False
    return True


def fastest_layout(block: Block, rows: tf.Tensor, expected_rows: int | None = None) -> Layout:
    """Chooses the layout that was measured to be the fastest on CPU.

    Args:
        block: a `Block`.
        rows: (n, channels of the block).
        expected_rows: used for n where that is unknown; None is few.
    """
    n = rows.shape[0] or expected_rows or 0
    is_many = n * block.channels >= _MANY and rows.dtype == tf.float32
    if is_many and ConvolutionLayout.takes(block) and not is_compiling():
        # XLA has no kernel for grouped convolutions on CPU but loops.
        if has_grouped_convolution():
            return ConvolutionLayout(block, n)
    dense = block.groups == 1 or (block.channels <= 64 and block.size >= 32)
    return DenseLayout(block) if dense else BatchedLayout(block)


def fastest_application(block: Block, rows: tf.Tensor, expected_rows: int | None = None) -> Layout:
    """Chooses the layout that was measured to be the fastest on CPU where rows are only multiplied.

    As in inference, where rows may be few: a transpose of them takes as long as that of many.

    Args:
        block, rows, expected_rows: see `fastest_layout`.
    """
    if block.groups == 1:
        # TensorFlow's product of few rows with a large transposed matrix is slow, unless batched.
        return DenseLayout(block) if block.size < _LARGE else BatchedLayout(block)
    if block.channels <= 64:
        return DenseLayout(block)
    if rows.dtype == tf.float32 and ConvolutionLayout.takes(block) and not is_compiling():
        if has_grouped_convolution():
            return ConvolutionLayout(block)
    return fastest_layout(block, rows, expected_rows)
