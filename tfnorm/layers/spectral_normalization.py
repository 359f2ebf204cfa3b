"""Spectral normalization of the linear maps of a layer."""

import math
import typing
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tfnorm.functional import spectral
from tfnorm.layers.arguments import check_positive
from tfnorm.layers.base import Shape, statistics_dtype
from tfnorm.layers.blocks import BlockWeights, block_names
from tfnorm.layers.center_scale import CenterScale
from tfnorm.layers.coloring import Coloring
from tfnorm.layers.conditional import ConditionalCenterScale, ConditionalColoring
from tfnorm.layers.factorized_coloring import FactorizedColoring


class LinearMaps(typing.NamedTuple):
    """How a layer maps linearly: a row of `LINEAR_MAPS`.

    Attributes:
        names: of the weights that do, as far as the layer has them.
        vector_shape: from a weight's shape to that of its left singular vectors, (rows,) or
            (stack, rows); None says that the last axis is a diagonal.
        joint: whether all are blocks of one map, with one sigma, or each is a map with its own.
    """

    names: tuple[str, ...]
    vector_shape: Callable[[tuple[int, ...]], tuple[int, ...]] | None
    joint: bool


def _matrix_rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    """All axes but the last are the rows of one matrix."""
    return (math.prod(shape[:-1]),)


def _stack_rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The first axis counts matrices; a stack of one is a matrix."""
    return shape[:-1] if shape[0] > 1 else shape[1:-1]


# By the layer's class, or the first of its bases that is here.
LINEAR_MAPS = {
    keras.layers.Layer: LinearMaps(("kernel", "embeddings"), _matrix_rows, joint=True),
    CenterScale: LinearMaps(("gamma",), None, joint=True),
    Coloring: LinearMaps(block_names("kernel"), _stack_rows, joint=True),
    ConditionalCenterScale: LinearMaps(("gamma",), None, joint=False),
    ConditionalColoring: LinearMaps(("kernel",), _stack_rows, joint=False),
    FactorizedColoring: LinearMaps(("kernel",), _stack_rows, joint=False),
}


@keras.saving.register_keras_serializable(package="tfnorm")
class SpectralNormalization(BlockWeights, keras.layers.Wrapper):
    """Calls a layer with its kernel divided by the kernel's largest singular value.

    `W_bar = W / sigma(W)`, sigma by power iteration on W reshaped to (all axes but the last, last),
    one pair of products a training call. The stored kernel stays W, and the gradient goes through
    W / sigma(W) with the singular vectors held constant, as in the paper
    (`keras.layers.SpectralNormalization` overwrites the kernel and leaves sigma out of the
    gradient).

    A `ConditionalColoring` has a sigma for each class, a `FactorizedColoring` for each of its
    shared matrices. A `Coloring` in groups is one map, of which sigma is the largest of the
    groups'. `CenterScale` and `ConditionalCenterScale` are diagonal maps: sigma is the largest
    |gamma|, of all channels or of each class's, exactly and without iterations.

    Args:
        layer: one of these, or a layer with a `kernel` (Dense, a convolution) or `embeddings`.
        power_iterations: iterations in a training call.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments:
        inputs, and others: the layer's.
        training: whether to iterate, and to keep the vectors for the next call.

    Attributes:
        vector: (rows of W,), the left singular vector as far as it was found. It starts as a
            random normal one. (matrices, rows) for several, and `vector_last` (rest,) for the
            smaller last group of a `Coloring`.

    Reference:
        Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018,
        https://arxiv.org/abs/1802.05957.
    """

    layer: keras.layers.Layer
    vector: keras.Variable
    vector_last: keras.Variable

    def __init__(
        self, layer: keras.layers.Layer, power_iterations: int = 1, **kwargs: typing.Any
    ) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = check_positive("power_iterations", power_iterations)

    def build(self, input_shape: Shape | None = None) -> None:
        super().build(input_shape)
        if not self._kernels:
            raise ValueError(
                "`layer` must have a weight named `kernel` or `embeddings`, or be a recovery with "
                f"`gamma`. Received: layer={self.layer!r}"
            )
        vector_shape = self._maps.vector_shape
        shapes = [] if vector_shape is None else [vector_shape(k.shape) for k in self._kernels]

        def add(name: str, shape: tuple[int, ...]) -> keras.Variable:
            return self.add_weight(
                name=name,
                shape=shape,
                initializer="random_normal",
                dtype=statistics_dtype(self),
                trainable=False,
                autocast=False,
                aggregation="mean",
            )

        self.add_block_weights("vector", shapes, add)

    def call(
        self,
        inputs: tf.Tensor,
        *args: typing.Any,
        training: bool = False,
        **kwargs: typing.Any,
    ) -> tf.Tensor:
        # The layer sees the normalised kernels for this call; what it stores is not touched.
        values = [
            *((variable, tf.convert_to_tensor(variable)) for variable in self.layer.variables),
            *self.normalised_kernels(training and self.trainable),
        ]
        with keras.StatelessScope(state_mapping=values, collect_losses=True) as scope:
            y = self.layer(inputs, *args, **kwargs)
        for loss in scope.losses:
            self.add_loss(loss)
        return y

    def normalised_kernels(self, training: bool = False) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Pairs each weight that is normalised with its value over sigma."""
        kernels = [tf.cast(kernel, statistics_dtype(self)) for kernel in self._kernels]
        values = map(spectral.divide_by_norm, kernels, self._sigmas(kernels, training))
        return list(zip(self._kernels, values, strict=True))

    def _sigmas(self, kernels: Sequence[tf.Tensor], training: bool) -> list[tf.Tensor]:
        """Of each kernel a scalar, or (stack,) for maps with a sigma each."""
        if self._maps.vector_shape is None:
            sigmas = [spectral.diagonal_norm(kernel) for kernel in kernels]
        else:
            sigmas = [
                self._power_iteration(kernel, vector, training)
                for kernel, vector in zip(kernels, self.block_weights("vector"), strict=True)
            ]
        return [spectral.joint_norm(sigmas)] * len(sigmas) if self._maps.joint else sigmas

    def _power_iteration(
        self, kernel: tf.Tensor, vector: keras.Variable, training: bool
    ) -> tf.Tensor:
        before = tf.convert_to_tensor(vector)
        sigma, after = spectral.spectral_norm(
            tf.reshape(kernel, [*vector.shape, kernel.shape[-1]]),
            before,
            iterations=self.power_iterations if training else 0,
        )
        if training:
            vector.assign(spectral.next_vector(before, after))
        return sigma

    @property
    def _maps(self) -> LinearMaps:
        return next(LINEAR_MAPS[cls] for cls in type(self.layer).__mro__ if cls in LINEAR_MAPS)

    @property
    def _kernels(self) -> list[keras.Variable]:
        # Looked up, not kept: a weight that two layers hold is saved twice.
        weights = [getattr(self.layer, name, None) for name in self._maps.names]
        return [weight for weight in weights if isinstance(weight, keras.Variable)]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(
        self,
        inputs: keras.KerasTensor,
        *args: typing.Any,
        training: bool = False,
        **kwargs: typing.Any,
    ) -> keras.KerasTensor:
        return self.layer.compute_output_spec(inputs, *args, **kwargs)

    def get_config(self) -> dict[str, typing.Any]:
        config: dict[str, typing.Any] = super().get_config()
        # Keras adds this once the layer is built; `build` of the wrapper sees to it anyway.
        config["layer"].pop("build_config", None)
        return config | {"power_iterations": self.power_iterations}
