"""The earth mover's distance estimated by a critic, clipped or with a gradient penalty."""

import dataclasses
import functools
import typing

import keras
import numpy as np
import tensorflow as tf

from tfnorm.analysis import checks
from tfnorm.analysis.critics import Critic


@dataclasses.dataclass(frozen=True)
class ClippedCritic:
    """Algorithm 3: a critic of clipped weights that ends in a sigmoid.

        d = mean f_w(x) - mean f_w(y), |w_i| <= c,

    over other samples than those that w was trained on to make d large. With f_w of Lipschitz
    constant K, d <= K W: it has a scale of its own, which depends on c, on the shape of the samples
    and on the weights found, and lies in (-1, 1). It compares distributions over time, not layers.
    Of close distributions d is some 1e-6: it is computed from logits, in float64.

    RMSProp's epsilon decides what comes of it: gradients are of 1e-6 here, and with the 1e-7 that
    Keras adds to their squares they would hardly move a weight.

    Attributes:
        steps: T.
        batch_size: n, samples of each distribution in a step.
        clip: c.
        learning_rate: of RMSProp, whose decay and epsilon are those of Wasserstein GANs' released
            code, 0.99 and 1e-8 beside the root. The paper names no optimizer.
        seed: of the initial weights and the order of samples.

    Reference: Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
    Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 2.
    """

    steps: int = 1500
    batch_size: int = 128
    clip: float = 0.01
    learning_rate: float = 5e-5
    seed: int = 0
    trains: typing.ClassVar[bool] = True

    def __post_init__(self):
        _check(self, "steps", "batch_size", "clip", "learning_rate")

    def __call__(self, training, test):
        """d of the test samples.

        Args:
            training: (x, y), each of samples (n, ...): maps (h, w, channels) or vectors. Where both
                are as long, a step takes the same rows of both, as f_{1:l} of the same images.
            test: (x, y) of such samples.

        Returns:
            float.
        """
        critic = _trained(self, training)
        x, y = (tf.sigmoid(critic.logits(samples)).numpy().mean() for samples in test)
        return float(x - y)

    def optimizer(self):
        """A Keras optimizer in its first state."""
        return keras.optimizers.RMSprop(self.learning_rate, rho=0.99, epsilon=1e-16)

    def take_step(self, model, optimizer, x, y):
        """A step of training, on as many samples of each distribution."""
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            of_x, of_y = tf.split(tf.sigmoid(model(tf.concat([x, y], 0))), 2)
            loss = tf.reduce_mean(of_y - of_x)
        optimizer.apply(tape.gradient(loss, variables), variables)
        for variable in variables:
            variable.assign(tf.clip_by_value(variable, -self.clip, self.clip))


@dataclasses.dataclass(frozen=True)
class PenalizedCritic:
    """A critic whose gradient is drawn to norm 1, which makes its difference an estimate of W.

    The critic f is Algorithm 3's without its sigmoid, trained to make

        mean f(x) - mean f(y) - penalty * mean (||grad f(z)|| - 1)^2

    large, z being uniform on the line from an x to a y. Samples are divided by the root mean square
    s of their elements, and the difference over other samples is multiplied by s, so that the
    estimate scales as W does. It is below W as long as the critic is not at its optimum, and above
    it by what the penalty lets pass.

    Attributes:
        steps, batch_size, seed: of `ClippedCritic`.
        penalty: weight of the penalty.
        learning_rate: of Adam, with beta_1 = 0 and beta_2 = 0.9.

    Reference: Gulrajani et al., "Improved Training of Wasserstein GANs", 2017, algorithm 1.
    """

    steps: int = 1500
    batch_size: int = 64
    penalty: float = 10.0
    learning_rate: float = 1e-4
    seed: int = 0
    trains: typing.ClassVar[bool] = True

    def __post_init__(self):
        _check(self, "steps", "batch_size", "penalty", "learning_rate")

    def __call__(self, training, test):
        """The estimate of W; arguments as of `ClippedCritic`."""
        scale = _root_mean_square(training)
        if not scale:
            return 0.0
        critic = _trained(self, training, scale)
        x, y = (critic.logits(samples, scale).mean() for samples in test)
        return float(scale * (x - y))

    def optimizer(self):
        """A Keras optimizer in its first state."""
        return keras.optimizers.Adam(self.learning_rate, beta_1=0.0, beta_2=0.9)

    def take_step(self, model, optimizer, x, y):
        """A step of training, on as many samples of each distribution."""
        variables = model.trainable_variables
        seed = [self.seed, tf.cast(optimizer.iterations.value, tf.int32)]
        share = tf.random.stateless_uniform([tf.shape(x)[0], 1, 1, 1], seed)
        between = share * x + (1 - share) * tf.roll(y, 1, 0)
        with tf.GradientTape() as tape:
            of_x, of_y = tf.split(model(tf.concat([x, y], 0)), 2)
            with tf.GradientTape() as inner:
                inner.watch(between)
                value = model(between)
            slopes = tf.norm(
                tf.reshape(inner.gradient(value, between), [tf.shape(x)[0], -1]), axis=1
            )
            penalty = self.penalty * tf.reduce_mean((slopes - 1) ** 2)
            loss = tf.reduce_mean(of_y - of_x) + penalty
        optimizer.apply(tape.gradient(loss, variables), variables)


def _check(estimator, *names):
    for name in names:
        value = getattr(estimator, name)
        if not 0 < value < float("inf"):
            raise ValueError(f"`{name}` must be positive and finite. Received: {name}={value}")


def _trained(settings, training, scale=1.0):
    """The `Critic` after its steps, on samples divided by `scale`."""
    x, y = training
    checks.same_shape(x, y)
    critic = _critic(settings, x.shape[1:])
    critic.reset()
    rng = np.random.default_rng(settings.seed)
    for _ in range(settings.steps):
        rows = rng.integers(len(x), size=settings.batch_size)
        others = rows if len(x) == len(y) else rng.integers(len(y), size=settings.batch_size)
        critic.step(x[rows] / scale, y[others] / scale)
    return critic


# Tracing a critic takes as long as some 20 of its steps.
@functools.lru_cache(maxsize=16)
def _critic(settings, shape):
    return Critic(shape, settings.seed, settings.optimizer(), settings.take_step)


def _root_mean_square(training):
    """Of the elements of at most a thousand samples of each distribution."""
    parts = [np.asarray(samples[:1000], np.float64) for samples in training]
    return float(np.sqrt(max(np.square(part).mean() for part in parts)))
