"""Critics: networks trained to tell two distributions apart, whose distance they estimate."""

import functools

import keras
import numpy as np
import tensorflow as tf

from tfnorm.analysis import checks

# Huang and Yu, section 2.2: channels and stride of each 3 x 3 convolution.
CONVOLUTIONS = ((64, 2), (64, 1), (128, 2), (128, 1))


def make_critic(shape, seed=0):
    """The critic of section 2.2 before its sigmoid, for maps of `shape` (height, width, channels).

    Weights are He's normal ones, the same for a seed each time; biases are zero.
    """
    layers = [keras.Input(shape)]
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
    """

    def __init__(self, shape, seed, optimizer, take_step):
        if len(shape) > 3:
            raise ValueError(
                "Critics take maps (height, width, channels), sequences (steps, channels) or "
                f"vectors. Received: samples of shape {tuple(shape)}"
            )
        self._shape = (1, 1, *shape)[-3:]
        self.model = make_critic(self._shape, seed)
        self._optimizer = optimizer
        optimizer.build(self.model.trainable_variables)
        self._variables = [*self.model.variables, *optimizer.variables]
        self._initial = [variable.numpy() for variable in self._variables]
        self._step = tf.function(functools.partial(take_step, self.model, optimizer))
        self._call = tf.function(self.model, reduce_retracing=True)

    def reset(self):
        """Goes back to the state before the first step."""
        for variable, value in zip(self._variables, self._initial, strict=True):
            variable.assign(value)

    def step(self, x, y):
        """Trains once, on samples of one and the other distribution."""
        self._step(self.maps(x), self.maps(y))

    def logits(self, samples, scale=1.0, batch_size=256):
        """Its values for samples divided by `scale`, (n,), float64 of float32 computations."""
        parts = [
            self._call(self.maps(checks.block(samples, start, start + batch_size) / scale))
            for start in range(0, len(samples), batch_size)
        ]
        return np.concatenate(parts)[:, 0].astype(np.float64)

    def maps(self, samples):
        """Samples (n, ...) as the critic takes them, (n, height, width, channels) float32."""
        return tf.constant(np.reshape(samples, (len(samples), *self._shape)), tf.float32)
