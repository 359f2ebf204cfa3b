"""Spectral normalization of the linear maps of a layer."""

import collections.abc
import math
import typing

import keras
import tensorflow as tf

from tfnorm import functional
from tfnorm.layers import base
from tfnorm.layers.coloring import CenterScale, Coloring
from tfnorm.layers.conditional import (
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
)


class _Maps(typing.NamedTuple):
    """How a layer maps linearly.

    `names` are the weights that do, as far as the layer has them. `vectors` is the shape of the
    left singular vectors, (rows,) or (stack, rows), of a weight's shape; None says that the last
    axis is a diagonal. `joint` is whether all are blocks of one map, with one sigma, or each is a
    map with its own.
    """

    names: tuple[str, ...]
    vectors: collections.abc.Callable | None
    joint: bool


def _matrix_rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    """All axes but the last are the rows of one matrix."""
    return (math.prod(shape[:-1]),)


def _stack_rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The first axis counts matrices; a stack of one is a matrix."""
    return shape[:-1] if shape[0] > 1 else shape[1:-1]


# By the layer's class, or the first of its bases that is here.
MAPS = {
    keras.layers.Layer: _Maps(("kernel", "embeddings"), _matrix_rows, joint=True),
    CenterScale: _Maps(("gamma",), None, joint=True),
    Coloring: _Maps(tuple(f"kernel{x}" for x in base.BLOCK_SUFFIXES), _stack_rows, joint=True),
    ConditionalCenterScale: _Maps(("gamma",), None, joint=False),
    ConditionalColoring: _Maps(("kernel",), _stack_rows, joint=False),
    FactorizedColoring: _Maps(("kernel",), _stack_rows, joint=False),
}


@keras.saving.register_keras_serializable(package="tfnorm")
class SpectralNormalization(keras.layers.Wrapper):
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
        Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018
        (https://arxiv.org/abs/1802.05957).
    """

    def __init__(self, layer: keras.Layer, power_iterations: int = 1, **kwargs: typing.Any):
        base.check_positive("power_iterations", power_iterations)
        super().__init__(layer, **kwargs)
        self.power_iterations = power_iterations

    def build(self, input_shape: typing.Any = None) -> None:
        super().build(input_shape)
        if not self._kernels:
            raise ValueError(
                "`layer` must have a weight named `kernel` or `embeddings`, or be a recovery with "
                f"`gamma`. Received: layer={self.layer!r}"
            )
        self._vectors = []
        if self._maps.vectors is None:
            return
        for kernel, suffix in zip(self._kernels, base.BLOCK_SUFFIXES, strict=False):
            vector = self.add_weight(
                name=f"vector{suffix}",
                shape=self._maps.vectors(kernel.shape),
                initializer="random_normal",
                dtype=self._vector_dtype,
                trainable=False,
                autocast=False,
                aggregation="mean",
            )
            setattr(self, f"vector{suffix}", vector)
            self._vectors.append(vector)

    def call(
        self,
        inputs: typing.Any,
        *args: typing.Any,
        training: typing.Any = False,
        **kwargs: typing.Any,
    ) -> typing.Any:
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

    def normalised_kernels(
        self, training: typing.Any = False
    ) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Pairs of a weight of the layer and its value over sigma, for each that is normalised."""
        kernels = [tf.cast(kernel, self._vector_dtype) for kernel in self._kernels]
        sigmas = self._sigmas(kernels, training)
        return list(zip(self._kernels, map(_divided, kernels, sigmas), strict=True))

    def _sigmas(self, kernels, training):
        """Of each kernel a scalar, or (stack,) for maps with a sigma each."""
        if self._maps.vectors is None:
            sigmas = [tf.reduce_max(tf.abs(kernel), axis=-1) for kernel in kernels]
        else:
            sigmas = [
                self._power_iteration(kernel, vector, training)
                for kernel, vector in zip(kernels, self._vectors, strict=True)
            ]
        if self._maps.joint:
            largest = tf.reduce_max(tf.concat([tf.reshape(sigma, [-1]) for sigma in sigmas], 0))
            sigmas = [largest] * len(sigmas)
        return sigmas

    def _power_iteration(self, kernel, vector, training):
        before = tf.convert_to_tensor(vector)
        sigma, after = functional.spectral_norm(
            tf.reshape(kernel, [*vector.shape, kernel.shape[-1]]),
            before,
            iterations=self.power_iterations if training else 0,
        )
        if training:
            # A kernel that is 0 or not finite has no vector, and the next one starts from the last.
            found = tf.norm(after, axis=-1, keepdims=True) > 0.5
            vector.assign(tf.where(found, after, before))
        return sigma

    @property
    def _vector_dtype(self):
        return "float64" if self.compute_dtype == "float64" else "float32"

    @property
    def _maps(self):
        return next(MAPS[cls] for cls in type(self.layer).__mro__ if cls in MAPS)

    @property
    def _kernels(self):
        # Looked up, not kept: a weight that two layers hold is saved twice.
        weights = [getattr(self.layer, name, None) for name in self._maps.names]
        return [weight for weight in weights if isinstance(weight, keras.Variable)]

    def compute_output_shape(self, input_shape: typing.Any) -> typing.Any:
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(
        self,
        inputs: typing.Any,
        *args: typing.Any,
        training: typing.Any = False,
        **kwargs: typing.Any,
    ) -> typing.Any:
        return self.layer.compute_output_spec(inputs, *args, **kwargs)

    def get_config(self) -> dict[str, typing.Any]:
        config: dict[str, typing.Any] = super().get_config()
        config["power_iterations"] = self.power_iterations
        # Keras adds this once the layer is built; `build` of the wrapper sees to it anyway.
        config["layer"].pop("build_config", None)
        return config


def _divided(kernel, sigma):
    """Each entry of the first axis by its sigma, or all by one; 0 where sigma is 0."""
    return tf.math.divide_no_nan(kernel, tf.reshape(sigma, [-1] + [1] * (len(kernel.shape) - 1)))
