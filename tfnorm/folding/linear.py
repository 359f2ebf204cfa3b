"""Dense layers and convolutions as data, and what it is for them to take an affine map."""

import collections.abc
import dataclasses
import typing

import keras
import numpy as np

from tfnorm.folding.affine import AffineMap, to_numpy
from tfnorm.layers import CenterScale, Coloring

Shape = collections.abc.Sequence[int]
Config = dict[str, typing.Any]


class Kernel(typing.NamedTuple):
    """A kernel's name, and how it becomes (taps, groups, inputs of a group, outputs of a group).

    `layout` takes the kernel's shape and the layer's groups. It returns a shape of four axes, and
    their order, which is its own inverse: first `reshape`, then `transpose`.
    """

    name: str
    layout: collections.abc.Callable[[Shape, int], tuple[Shape, Shape]]


class LinearKind(typing.NamedTuple):
    """A class of layers: its kernels in turn, and whether there may be padding.

    The convolution of a constant with padding is not a constant, and no bias can stand for it.
    """

    kernels: tuple[Kernel, ...]
    pads: collections.abc.Callable[[Config], bool]


def _ordinary(shape, groups):
    *_, inputs, outputs = shape
    return (-1, inputs, groups, outputs // groups), (0, 2, 1, 3)


def _transposed(shape, groups):
    *_, outputs, inputs = shape
    return (-1, 1, outputs, inputs), (0, 1, 3, 2)


def _depthwise(shape, groups):
    *_, channels, multiplier = shape
    return (-1, channels, 1, multiplier), (0, 1, 2, 3)


def _never(config: Config) -> bool:
    return False


def _always(config: Config) -> bool:
    return True


def _unless_valid(config: Config) -> bool:
    return config["padding"] != "valid" and max(config["kernel_size"]) > 1


def _kinds(names, kernels, pads) -> dict[type, LinearKind]:
    return {getattr(keras.layers, name): LinearKind(kernels, pads) for name in names.split()}


LINEAR_KINDS = {
    **_kinds("Dense", (Kernel("kernel", _ordinary),), _never),
    **_kinds("Conv1D Conv2D Conv3D", (Kernel("kernel", _ordinary),), _unless_valid),
    **_kinds(
        "Conv1DTranspose Conv2DTranspose Conv3DTranspose",
        (Kernel("kernel", _transposed),),
        # Where taps overlap, how many do depends on the position, 'valid' or not.
        _always,
    ),
    **_kinds("DepthwiseConv1D DepthwiseConv2D", (Kernel("kernel", _depthwise),), _unless_valid),
    **_kinds(
        "SeparableConv1D SeparableConv2D",
        (Kernel("depthwise_kernel", _depthwise), Kernel("pointwise_kernel", _ordinary)),
        _unless_valid,
    ),
}

# By the axes of the inputs.
CONVOLUTIONS = {3: keras.layers.Conv1D, 4: keras.layers.Conv2D, 5: keras.layers.Conv3D}


@dataclasses.dataclass(frozen=True)
class Linear:
    """A layer of one of `LINEAR_KINDS`: class, configuration, and weights by name in float64."""

    cls: type[keras.Layer]
    config: Config
    weights: dict[str, np.ndarray]

    @classmethod
    def like(cls, layer: keras.Layer) -> "Linear | None":
        """Reads a layer; None for one that has more weights than its kernels and a bias (LoRA)."""
        weights = {weight.name: to_numpy(weight) for weight in layer.weights}
        own = {kernel.name for kernel in LINEAR_KINDS[type(layer)].kernels}
        if weights.keys() - {"bias"} != own:
            return None
        return cls(type(layer), layer.get_config(), weights)

    def channel_axis(self, rank: int) -> int:
        """The axis of the channels, of inputs with `rank` axes."""
        return 1 if self.config.get("data_format") == "channels_first" else rank - 1

    def followed_by(self, affine: AffineMap) -> "Linear | None":
        """The layer that then applies `affine` to its output; None if there is no such layer."""
        kernel = self._kind.kernels[-1]
        grouped = self._grouped(kernel)
        blocks = affine.blocks(grouped.shape[1])
        if blocks is None or self.config["activation"] != "linear":
            return None
        bias = affine.matrix @ self._bias + affine.shift
        return self._with(kernel, grouped @ blocks.transpose(0, 2, 1), bias)

    def preceded_by(self, affine: AffineMap) -> "Linear | None":
        """The layer that first applies `affine` to its input; None if there is no such layer."""
        kernel = self._kind.kernels[0]
        grouped = self._grouped(kernel)
        blocks = affine.blocks(grouped.shape[1])
        if blocks is None or (affine.shift.any() and self._kind.pads(self.config)):
            return None
        # What the kernels make of the map's shift is a shift of the output.
        shift = affine.shift
        for taps in map(self._grouped, self._kind.kernels):
            by_group = shift.reshape(taps.shape[1:3])
            shift = np.einsum("tgio,gi->go", taps, by_group).ravel()
        return self._with(kernel, blocks.transpose(0, 2, 1) @ grouped, self._bias + shift)

    def layer(self, input_shape: collections.abc.Sequence[int | None] | None) -> keras.Layer:
        """A new Keras layer, built."""
        layer = self.cls.from_config(self.config)
        layer.build(input_shape)
        for weight in layer.weights:
            weight.assign(self.weights[weight.name])
        return layer

    @property
    def _kind(self):
        return LINEAR_KINDS[self.cls]

    @property
    def _bias(self):
        kernel = self._kind.kernels[-1]
        _, groups, _, outputs = self._grouped(kernel).shape
        return self.weights.get("bias", np.zeros(groups * outputs))

    def _layout(self, kernel):
        return kernel.layout(self.weights[kernel.name].shape, self.config.get("groups", 1))

    def _grouped(self, kernel):
        shape, order = self._layout(kernel)
        return self.weights[kernel.name].reshape(shape).transpose(order)

    def _with(self, kernel, grouped, bias):
        _, order = self._layout(kernel)
        value = grouped.transpose(order).reshape(self.weights[kernel.name].shape)
        config, weights = self.config, self.weights | {kernel.name: value}
        if "bias" in weights or bias.any():
            config, weights = config | {"use_bias": True}, weights | {"bias": bias}
        return Linear(self.cls, config, weights)


def affine_layer(
    affine: AffineMap,
    axis: int,
    input_shape: collections.abc.Sequence[int | None],
    masked: bool,
    *,
    name: str,
    dtype: keras.DTypePolicy,
) -> keras.Layer:
    """Makes a Keras layer, built, that applies an affine map and nothing else.

    Args:
        affine: the map.
        axis: the channels' axis, positive.
        input_shape: of 2 to 5 axes.
        masked: whether the input may carry a mask, which the layer then hands on, as convolutions
            do not.
        name: the layer's.
        dtype: the layer's policy.
    """
    rank, channels, per_channel = len(input_shape), len(affine.shift), np.diag(affine.matrix)
    kernel = affine.matrix.T
    options = {"name": name, "dtype": dtype}
    if axis != rank - 1:
        # Convolutions with the channels first run on some devices only.
        layer = (CenterScale if affine.is_diagonal else Coloring)(axis=axis, **options)
    elif masked and rank > 3 and affine.is_diagonal:
        layer = CenterScale(**options)
    elif masked or rank == 2:
        layer = keras.layers.Dense(channels, **options)
    elif rank == 4 and affine.is_diagonal:
        layer = keras.layers.DepthwiseConv2D(1, data_format="channels_last", **options)
        kernel = per_channel
    else:
        layer = CONVOLUTIONS[rank](channels, 1, data_format="channels_last", **options)
    layer.build(tuple(input_shape))
    values = {
        "kernel": kernel,
        "bias": affine.shift,
        "gamma": per_channel,
        "beta": affine.shift,
    }
    for weight in layer.weights:
        weight.assign(values[weight.name].reshape(weight.shape))
    return layer
