"""Normalization layers as what they are in inference: affine maps of the channels."""

import collections.abc
import dataclasses
import typing

import keras
import numpy as np

from tfnorm.layers import BatchWhitening, CenterScale, Coloring, Unitization
from tfnorm.preprocessing import Whitening


@dataclasses.dataclass(frozen=True)
class AffineMap:
    """`y = matrix x + shift` at each position: (channels, channels) and (channels,), float64."""

    matrix: np.ndarray
    shift: np.ndarray

    def preceded_by(self, first: "AffineMap") -> "AffineMap":
        """The map that applies `first` and then this one."""
        return AffineMap(self.matrix @ first.matrix, self.matrix @ first.shift + self.shift)

    def blocks(self, count: int) -> np.ndarray | None:
        """The matrices (count, size, size) of `count` groups of channels; None if groups mix."""
        size = len(self.shift) // count
        every = np.arange(count)
        blocks = self.matrix.reshape(count, size, count, size)[every, :, every]
        return blocks if np.count_nonzero(blocks) == np.count_nonzero(self.matrix) else None

    @property
    def is_diagonal(self) -> bool:
        return self.blocks(len(self.shift)) is not None


def _batch_normalization(layer: keras.layers.BatchNormalization) -> AffineMap:
    return _standardization(layer, _or_default(layer.gamma, 1.0), _or_default(layer.beta, 0.0))


def unitization_statistics(layer: Unitization) -> AffineMap:
    """The batch-normalization part of a Unitization, without gamma and beta."""
    return _standardization(layer, 1.0, 0.0)


def _standardization(layer, gamma, beta) -> AffineMap:
    scale = gamma / np.sqrt(to_numpy(layer.moving_variance) + layer.epsilon)
    return AffineMap(np.diag(scale), beta - scale * to_numpy(layer.moving_mean))


def _batch_whitening(layer: BatchWhitening) -> AffineMap:
    whitening = _block_diagonal(map(to_numpy, layer.inference_matrices()))
    ones = np.ones(len(whitening))
    matrix = (ones * _or_default(layer.gamma, 1.0))[:, np.newaxis] * whitening
    return AffineMap(matrix, _or_default(layer.beta, 0.0) - matrix @ to_numpy(layer.moving_mean))


def _center_scale(layer: CenterScale) -> AffineMap:
    ones = np.ones(layer.channel_shape)
    scale, shift = _or_default(layer.gamma, 1.0), _or_default(layer.beta, 0.0)
    return AffineMap(np.diag(ones * scale), ones * shift)


def _coloring(layer: Coloring) -> AffineMap:
    matrix = _block_diagonal(map(to_numpy, layer.block_weights("kernel"))).T
    return AffineMap(matrix, np.ones(layer.channel_shape) * _or_default(layer.bias, 0.0))


def _whitening(layer: Whitening) -> AffineMap:
    matrix, mean = to_numpy(layer.matrix).T, to_numpy(layer.mean)
    return AffineMap(matrix, mean if layer.invert else -matrix @ mean)


def _block_diagonal(stacks: collections.abc.Iterable[np.ndarray]) -> np.ndarray:
    """All matrices of all stacks (groups, size, size) along one diagonal."""
    matrices = [matrix for stack in stacks for matrix in stack]
    diagonal = np.zeros([sum(map(len, matrices))] * 2)
    start = 0
    for matrix in matrices:
        block = slice(start, start + len(matrix))
        diagonal[block, block] = matrix
        start += len(matrix)
    return diagonal


def _or_default(weight, default: float) -> np.ndarray | float:
    """A weight in float64, or what stands for one that the layer does not have."""
    return default if weight is None else to_numpy(weight)


def to_numpy(value: typing.Any) -> np.ndarray:
    """A weight or tensor in float64."""
    return np.asarray(keras.ops.convert_to_tensor(value)).astype(np.float64)


# The layers that are an affine map of the channels in inference, and nothing else.
INFERENCE_MAPS: dict[type, collections.abc.Callable[[typing.Any], AffineMap]] = {
    keras.layers.BatchNormalization: _batch_normalization,
    BatchWhitening: _batch_whitening,
    CenterScale: _center_scale,
    Coloring: _coloring,
    Whitening: _whitening,
}
