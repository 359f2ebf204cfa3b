"""Spectral normalization of the linear maps of a layer."""

import inspect
import math
import re
import typing
from collections.abc import Callable

import keras
import tensorflow as tf

from tfnorm import keras_internals
from tfnorm.functional import spectral
from tfnorm.layers.arguments import check_positive
from tfnorm.layers.base import Shape, statistics_dtype
from tfnorm.layers.blocks import block_names
from tfnorm.layers.center_scale import CenterScale
from tfnorm.layers.coloring import Coloring
from tfnorm.layers.conditional import ConditionalCenterScale, ConditionalColoring
from tfnorm.layers.effective_kernel import EffectiveKernel, check_trainable, effective_kernel
from tfnorm.layers.factorized_coloring import FactorizedColoring
from tfnorm.layers.replaced_values import ReplacedValues


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


_SEPARABLE = LinearMaps(("depthwise_kernel", "pointwise_kernel"), _matrix_rows, joint=False)

# By the layer's class, or the first of its bases that is here.
LINEAR_MAPS = {
    keras.layers.Layer: LinearMaps(("kernel", "embeddings"), _matrix_rows, joint=True),
    keras.layers.SeparableConv1D: _SEPARABLE,
    keras.layers.SeparableConv2D: _SEPARABLE,
    CenterScale: LinearMaps(("gamma",), None, joint=True),
    Coloring: LinearMaps(block_names("kernel"), _stack_rows, joint=True),
    ConditionalCenterScale: LinearMaps(("gamma",), None, joint=False),
    ConditionalColoring: LinearMaps(("kernel",), _stack_rows, joint=False),
    FactorizedColoring: LinearMaps(("kernel",), _stack_rows, joint=False),
}


# Weights with these names are linear maps, normalised or not.
_KERNEL_NAME = re.compile("(kernel|embeddings)$")


@keras.saving.register_keras_serializable(package="tfnorm")
class SpectralNormalization(keras.layers.Wrapper):
    """Calls a layer with its kernel divided by the kernel's largest singular value.

    `W_bar = W / sigma(W)`, sigma by power iteration on W reshaped to (all axes but the last, last),
    one pair of products a training call. The stored kernel stays W, and the gradient goes through
    W / sigma(W) with the singular vectors held constant, as in the paper
    (`keras.layers.SpectralNormalization` overwrites the kernel and leaves sigma out of the
    gradient).

    W is the kernel that the layer applies: with LoRA's update, whose factors then get the gradient,
    and after `quantize` what the whole numbers and their scales stand for. LoRA and quantisation
    may come before or after the wrapping. Modes int8, int4 (from Keras 3.14 on) and float8 are
    normalised, others (gptq, awq) refused, and so is training with LoRA on int8 or int4, where
    Keras has no gradient.

    A `ConditionalColoring` has a sigma for each class, a `FactorizedColoring` for each of its
    shared matrices, a separable convolution for each of its two kernels. A `Coloring` in groups is
    one map, of which sigma is the largest of the groups'. `CenterScale` and
    `ConditionalCenterScale` are diagonal maps: sigma is the largest |gamma|, of all channels or of
    each class's, exactly and without iterations. Layers with further kernels (cells of recurrent
    layers) or with none of their own (`MultiHeadAttention`) are refused.

    What else the layer keeps (moving averages, seeds, counters) is updated as without the wrapper,
    and its mask is the output's.

    Sigma is only as good as `vector`, which starts at random and moves in training calls alone.
    Before the first, sigma is too small and what inference returns too large: about twice for a
    kernel as it was initialised, many times for one with few large singular values. Around a layer
    that is trained already, make a training call first, with `power_iterations` of 20 or more, or
    as many calls; a wrapper that is not `trainable` never iterates.

    Where the call is recomputed in the backward pass (`keras.RematScope`, `keras.remat`) it
    iterates there once more: the vector moves twice a step, and the gradient is that at the second.
    Once the vector has converged both are the same. A layer that was made under `RematScope` is
    recomputed as a part of the wrapper's call, not by itself.

    ```python
    layer = tfnorm.SpectralNormalization(keras.layers.Dense(6, use_bias=False))
    for _ in range(30):  # each call in training is a step of power iteration
        layer(np.eye(8), training=True)
    kernel = keras.ops.convert_to_numpy(layer(np.eye(8)))  # of the identity
    assert np.isclose(np.linalg.norm(kernel, 2), 1, rtol=0.01)
    ```

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
            smaller last group of a `Coloring`. Those of a separable convolution are
            `depthwise_vector` and `pointwise_vector`.

    Reference:
        Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018,
        https://arxiv.org/abs/1802.05957.
    """

    layer: keras.layers.Layer
    vector: keras.Variable
    vector_last: keras.Variable
    depthwise_vector: keras.Variable
    pointwise_vector: keras.Variable

    def __init__(
        self, layer: keras.layers.Layer, power_iterations: int = 1, **kwargs: typing.Any
    ) -> None:
        super().__init__(layer, **kwargs)
        if isinstance(layer.call, tf.types.experimental.PolymorphicFunction):
            raise ValueError(
                "`layer` must not have a `tf.function` for its `call`, which would go on with the "
                f"kernel of its first call. Received: layer={layer!r}"
            )
        self.power_iterations = check_positive("power_iterations", power_iterations)
        self.supports_masking = layer.supports_masking
        keras_internals.hand_over_rematerialization(layer, self)

    def build(self, input_shape: Shape | None = None) -> None:
        self._check_inputs()
        super().build(input_shape)
        kernels = self._kernels_of(self.layer)
        self._check_kernels(kernels)
        if self._maps.vector_shape is None:
            return
        for name, kernel in kernels.items():
            shape = typing.cast(tuple[int, ...], tuple(kernel.value.shape))
            vector = self.add_weight(
                name=_vector_name(name),
                shape=self._maps.vector_shape(shape),
                initializer="random_normal",
                dtype=statistics_dtype(self),
                trainable=False,
                autocast=False,
                aggregation="mean",
            )
            setattr(self, _vector_name(name), vector)

    def _check_inputs(self) -> None:
        """Checks that the layer can be built from one shape."""
        parameters = inspect.signature(self.layer.build).parameters.values()
        named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        needed = [one.name for one in parameters if one.default is one.empty and one.kind in named]
        if len(needed) > 1 and not self.layer.built:
            raise ValueError(
                f"`layer` must be built from the shape of one input, not from {needed}. "
                f"Received: layer={self.layer!r}"
            )

    def _check_kernels(self, kernels: dict[str, EffectiveKernel]) -> None:
        """Checks that there are kernels, and that no other is left as it is."""
        if not kernels:
            raise ValueError(
                "`layer` must have a weight named `kernel` or `embeddings`, or be a recovery with "
                f"`gamma`. Received: layer={self.layer!r}"
            )
        stored = {id(keras_internals.stored_weight(self.layer, name)) for name in kernels}
        others = [
            weight.path
            for weight in self.layer.weights
            if _KERNEL_NAME.search(weight.name) and id(weight) not in stored
        ]
        if others:
            raise ValueError(
                f"`layer` must have no kernels but {sorted(kernels)}, since others would not be "
                f"normalised. Received: layer={self.layer!r} with {sorted(others)}"
            )

    def call(
        self,
        inputs: tf.Tensor,
        *args: typing.Any,
        training: bool = False,
        **kwargs: typing.Any,
    ) -> tf.Tensor:
        # The layer sees the normalised kernels for this call; what it stores is not touched.
        values = self.normalised_kernels(training=training and self.trainable)
        with ReplacedValues(values) as scope:
            y = self.layer(inputs, *args, **kwargs)
        for loss in scope.losses:
            keras_internals.hand_on_loss(self, loss)
        return y

    def normalised_kernels(
        self, layer: keras.layers.Layer | None = None, training: bool = False
    ) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Pairs weights with the values by which the layer applies its kernels over sigma.

        They are the kernels; or, for one that is quantised, its scales, and with LoRA the right
        factor too.

        Args:
            layer: the layer, or a copy of it, whose weights are then paired.
            training: whether to iterate, and to keep the vectors.
        """
        layer = layer or self.layer
        if training:
            check_trainable(layer)
        kernels = self._kernels_of(layer)
        sigmas = self._sigmas({name: kernel.value for name, kernel in kernels.items()}, training)
        return [
            pair
            for kernel, sigma in zip(kernels.values(), sigmas, strict=True)
            for pair in kernel.divided(sigma)
        ]

    def _sigmas(self, kernels: dict[str, tf.Tensor], training: bool) -> list[tf.Tensor]:
        """Of each kernel a scalar, or (stack,) for maps with a sigma each."""
        if self._maps.vector_shape is None:
            sigmas = [spectral.diagonal_norm(kernel) for kernel in kernels.values()]
        else:
            sigmas = [
                self._power_iteration(kernel, getattr(self, _vector_name(name)), training)
                for name, kernel in kernels.items()
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

    def _kernels_of(self, layer: keras.layers.Layer) -> dict[str, EffectiveKernel]:
        # Looked up, not kept: a weight that two layers hold is saved twice.
        dtype = statistics_dtype(self)
        kernels = {name: effective_kernel(layer, name, dtype) for name in self._maps.names}
        return {name: kernel for name, kernel in kernels.items() if kernel is not None}

    def compute_mask(self, inputs: typing.Any, previous_mask: typing.Any) -> typing.Any:
        return self.layer.compute_mask(inputs, previous_mask)

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


def _vector_name(kernel_name: str) -> str:
    """Names the vector of a kernel: of `kernel_last` it is `vector_last`."""
    return re.sub("kernel|embeddings", "vector", kernel_name)
