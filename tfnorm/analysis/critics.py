"""Critics: networks trained to tell two distributions apart, whose distance they estimate."""

import collections.abc
import functools
import typing

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfnorm.analysis import checks

# Channels and stride of each 3 x 3 convolution, by Huang and Yu: see `make_critic`.
CONVOLUTIONS: tuple[tuple[int, int], ...] = ((64, 2), (64, 1), (128, 2), (128, 1))


# `f(model, optimizer, x, y)`, a step of training, on as many samples of each distribution.
TakeStep = collections.abc.Callable[
    [keras.Model, keras.optimizers.Optimizer, tf.Tensor, tf.Tensor], None
]


def make_critic(shape: tuple[int, ...], seed: int = 0) -> keras.Sequential:
    """Makes the critic before its sigmoid, for maps of `shape` (height, width, channels).

    Weights are He's normal ones, the same for a seed each time; biases are zero.

    Reference: Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
    Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 2.2.
    """
    layers: list[typing.Any] = [keras.Input(shape)]
    initializer: typing.Any
    for number, (channels, stride) in enumerate(CONVOLUTIONS):
        initializer = keras.initializers.HeNormal(seed=seed + number)
        layers.append(
            keras.layers.Conv2D(
                channels,
                3,
                stride,
                padding="same",
                activation="relu",
                kernel_initializer=initializer,
                dtype="float32",
            )
        )
    initializer = keras.initializers.HeNormal(seed=seed + len(CONVOLUTIONS))
    layers += [
        keras.layers.Flatten(dtype="float32"),
        keras.layers.Dense(1, kernel_initializer=initializer, dtype="float32"),
    ]
    return keras.Sequential(layers)


class Critic:
    """A critic, its optimizer, and its state before the first step.

    Args:
        shape: of a sample.
        seed: of the initial weights.
        optimizer: a Keras optimizer.
        take_step: `f(model, optimizer, x, y)`, a step of training.

    Attributes:
        model: the critic, from maps to logits (n, 1).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        seed: int,
        optimizer: keras.optimizers.Optimizer,
        take_step: TakeStep,
    ) -> None:
        if len(shape) > 3:
            raise ValueError(
                "Critics take maps (height, width, channels), sequences (steps, channels) or "
                f"vectors. Received: samples of shape {tuple(shape)}"
            )
        self._shape = (1, 1, *shape)[-3:]
        self.model: keras.Sequential = make_critic(self._shape, seed)
        self._optimizer = optimizer
        optimizer.build(self.model.trainable_variables)
        self._variables = [*self.model.variables, *optimizer.variables]
        self._initial = [variable.numpy() for variable in self._variables]
        self._step = tf.function(
            functools.partial(take_step, self.model, optimizer), autograph=False
        )
        self._call = tf.function(self.model, reduce_retracing=True, autograph=False)

    def reset(self) -> None:
        """Goes back to the state before the first step."""
        for variable, value in zip(self._variables, self._initial, strict=True):
            variable.assign(value)

    def step(self, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
        """Trains once, on samples of one and the other distribution."""
        self._step(self.maps(x), self.maps(y))

    def logits(
        self, samples: checks.Samples, scale: float = 1.0, batch_size: int = 256
    ) -> np.ndarray:
        """Its values for samples divided by `scale`, (n,), float64 of float32 computations."""
        parts = [
            self._call(self.maps(checks.finite_rows(samples, start, start + batch_size) / scale))
            for start in range(0, len(samples), batch_size)
        ]
        return np.concatenate(parts)[:, 0].astype(np.float64)

    def maps(self, samples: npt.ArrayLike) -> tf.Tensor:
        """Samples (n, ...) as the critic takes them, (n, height, width, channels) float32."""
        return tf.constant(np.reshape(samples, (-1, *self._shape)), tf.float32)
