"""What a normalization layer is in inference: an affine map of the channels."""

import dataclasses

import keras
import numpy as np

from tfnorm.functional import groups
from tfnorm.layers import BatchWhitening, CenterScale, Coloring


@dataclasses.dataclass(frozen=True)
class AffineMap:
    """`y = matrix x + shift` at each position: (channels, channels) and (channels,), float64."""

    matrix: np.ndarray
    shift: np.ndarray

    def after(self, first):
        """The map that applies `first` and then this one."""
        return AffineMap(self.matrix @ first.matrix, self.matrix @ first.shift + self.shift)

    def blocks(self, count):
        """The matrices (count, size, size) of `count` groups of channels; None if groups mix."""
        size = len(self.shift) // count
        every = np.arange(count)
        blocks = self.matrix.reshape(count, size, count, size)[every, :, every]
        return blocks if np.count_nonzero(blocks) == np.count_nonzero(self.matrix) else None

    @property
    def is_diagonal(self):
        return self.blocks(len(self.shift)) is not None


def _batch_normalization(layer):
    return _standardization(layer, _array(layer.gamma, 1.0), _array(layer.beta, 0.0))


def unitization_statistics(layer):
    """The batch-normalization part of a Unitization, without gamma and beta."""
    return _standardization(layer, 1.0, 0.0)


def _standardization(layer, gamma, beta):
    scale = gamma / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    return AffineMap(np.diag(scale), beta - scale * _array(layer.moving_mean))


def _batch_whitening(layer):
    whitening = _block_diagonal(_array(matrices) for matrices in layer.inference_matrices())
    ones = np.ones(len(whitening))
    matrix = (ones * _array(layer.gamma, 1.0))[:, np.newaxis] * whitening
    return AffineMap(matrix, _array(layer.beta, 0.0) - matrix @ _array(layer.moving_mean))


def _center_scale(layer):
    ones = np.ones(layer.input_spec.axes[layer.axis])
    return AffineMap(np.diag(ones * _array(layer.gamma, 1.0)), ones * _array(layer.beta, 0.0))


def _coloring(layer):
    channels = layer.input_spec.axes[layer.axis]
    blocks = groups.blocks(channels, layer.group_size)
    kernels = [layer.kernel, layer.kernel_last] if len(blocks) == 2 else [layer.kernel]
    matrix = _block_diagonal(_array(kernel) for kernel in kernels).T
    return AffineMap(matrix, np.ones(channels) * _array(layer.bias, 0.0))


def _block_diagonal(stacks):
    """All matrices of all stacks (groups, size, size) along one diagonal."""
    matrices = [matrix for stack in stacks for matrix in stack]
    diagonal = np.zeros([sum(map(len, matrices))] * 2)
    start = 0
    for matrix in matrices:
        of_block = slice(start, start + len(matrix))
        diagonal[of_block, of_block] = matrix
        start += len(matrix)
    return diagonal


def _array(value, default=None):
    return default if value is None else to_numpy(value)


def to_numpy(value):
    """A weight or tensor in float64."""
    return np.asarray(keras.ops.convert_to_tensor(value)).astype(np.float64)


# The layers that are an affine map of the channels in inference, and nothing else.
INFERENCE_MAPS = {
    keras.layers.BatchNormalization: _batch_normalization,
    BatchWhitening: _batch_whitening,
    CenterScale: _center_scale,
    Coloring: _coloring,
}
