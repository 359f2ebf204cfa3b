"""The earth mover's distance estimated by a critic, clipped or with a gradient penalty."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from tfnorm.analysis import checks
from tfnorm.analysis.checks import SamplePair
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

    ```python
    from tfnorm.analysis.critic_distance import ClippedCritic

    x = np.random.normal(size=(256, 4)).astype("float32")
    critic = ClippedCritic(steps=5)
    d = critic(training=(x + 1, x), test=(x + 1, x))
    assert -1 < d < 1
    ```

    Attributes:
        steps: T.
        batch_size: n, samples of each distribution in a step.
        clip: c.
        learning_rate: of RMSProp, whose decay and epsilon are those of Wasserstein GANs' released
            code, 0.99 and 1e-8 beside the root. The paper names no optimizer.
        seed: of the initial weights and the order of samples.

    Reference: Huang and Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural
    Networks by Unitizing Layers' Outputs", CVPR 2020, supplement, section 2.
    https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html
    """

    steps: int = 1500
    batch_size: int = 128
    clip: float = 0.01
    learning_rate: float = 5e-5
    seed: int = 0

    @property
    def trains(self) -> bool:
        return True

    def __post_init__(self) -> None:
        _check(self, "clip")

    def __call__(self, training: SamplePair, test: SamplePair) -> float:
        """Trains a critic, and returns d of the test samples.

        Args:
            training: (x, y), each of samples (n, ...): maps (h, w, channels) or vectors. Where both
                are as long, a step takes the same rows of both, as f_{1:l} of the same images.
            test: (x, y) of such samples.

        Returns:
            float.
        """
        critic = _trained(self, training)
        test = checks.indexed_pair(*test)
        x, y = (tf.sigmoid(critic.logits(samples)).numpy().mean() for samples in test)
        return float(x - y)

    def optimizer(self) -> keras.optimizers.Optimizer:
        """Makes a Keras optimizer, in its first state."""
        return keras.optimizers.RMSprop(self.learning_rate, rho=0.99, epsilon=1e-16)

    def take_step(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        x: tf.Tensor,
        y: tf.Tensor,
    ) -> None:
        """Takes a step of training, on as many samples of each distribution."""
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            x_values, y_values = tf.split(tf.sigmoid(model(tf.concat([x, y], 0))), 2)
            loss = tf.reduce_mean(y_values - x_values)
        optimizer.apply(tape.gradient(loss, variables), variables)
        for variable in variables:
            variable.assign(tf.clip_by_value(variable, -self.clip, self.clip))


@dataclasses.dataclass(frozen=True)
class PenalizedCritic:
    """A critic whose gradient is drawn to norm 1, which makes its difference an estimate of W.

    The critic f is Algorithm 3's without its sigmoid, trained to make

        mean f(x) - mean f(y) - penalty * mean (||grad f(z)|| - 1)^2

    large, z being uniform on the line from an x to another's y, of samples that are divided by the
    root mean square s of their elements. The estimate is that difference for other samples, times
    s, over the mean of ||grad f(z)|| between these. Without the last the critic of a shift by W is
    at its optimum 1 + W / (2 s penalty) times too steep, and before it is there by another factor.
    A critic as steep everywhere has an estimate of at most W.

    ```python
    from tfnorm.analysis.critic_distance import PenalizedCritic

    x = np.random.normal(size=(256, 4)).astype("float32")
    critic = PenalizedCritic(steps=2)  # far too few for a good estimate
    distance = critic(training=(x + 1, x), test=(x + 1, x))
    ```

    Attributes:
        steps, batch_size, seed: of `ClippedCritic`.
        penalty: weight of the penalty.
        learning_rate: of Adam, with beta_1 = 0 and beta_2 = 0.9.

    Reference: Gulrajani et al., "Improved Training of Wasserstein GANs", 2017, algorithm 1,
    https://arxiv.org/abs/1704.00028.
    """

    steps: int = 1500
    batch_size: int = 64
    penalty: float = 10.0
    learning_rate: float = 1e-4
    seed: int = 0

    @property
    def trains(self) -> bool:
        return True

    def __post_init__(self) -> None:
        _check(self, "penalty")

    def __call__(self, training: SamplePair, test: SamplePair) -> float:
        """Trains a critic, and returns the estimate of W; arguments as of `ClippedCritic`."""
        scale = _root_mean_square(training)
        if not scale:
            return 0.0
        critic = _trained(self, training, scale)
        test = checks.indexed_pair(*test)
        x, y = (critic.logits(samples, scale).mean() for samples in test)
        slope = self._slope(critic, test, scale)
        return float(scale * (x - y) / slope) if slope else 0.0

    def optimizer(self) -> keras.optimizers.Optimizer:
        """Makes a Keras optimizer, in its first state."""
        return keras.optimizers.Adam(self.learning_rate, beta_1=0.0, beta_2=0.9)

    def take_step(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        x: tf.Tensor,
        y: tf.Tensor,
    ) -> None:
        """Takes a step of training, on as many samples of each distribution."""
        variables = model.trainable_variables
        seed = [self.seed, tf.cast(tf.convert_to_tensor(optimizer.iterations), tf.int32)]
        between = _between(x, y, seed)
        with tf.GradientTape() as tape:
            x_values, y_values = tf.split(model(tf.concat([x, y], 0)), 2)
            penalty = self.penalty * tf.reduce_mean((_slopes(model, between) - 1) ** 2)
            loss = tf.reduce_mean(y_values - x_values) + penalty
        optimizer.apply(tape.gradient(loss, variables), variables)

    def _slope(self, critic, test, scale, batch_size=256):
        """The mean norm of the critic's gradient between test samples."""
        count, slopes = min(map(len, test)), []
        for start in range(0, count, batch_size):
            stop = min(start + batch_size, count)
            x, y = (
                critic.maps(checks.finite_rows(samples, start, stop) / scale) for samples in test
            )
            slopes.append(_slopes(critic.model, _between(x, y, [self.seed, start])))
        return np.concatenate(slopes).mean(dtype=np.float64)


def _check(estimator: "ClippedCritic | PenalizedCritic", constraint: str) -> None:
    for name in ("steps", "batch_size"):
        checks.positive_integer(name, getattr(estimator, name))
    for name in ("learning_rate", constraint):
        checks.positive(name, getattr(estimator, name))


def _trained(settings, training: SamplePair, scale: float = 1.0) -> Critic:
    """The `Critic` after its steps, on samples divided by `scale`."""
    x, y = checks.indexed_pair(*training)
    critic = _critic(settings, tuple(x.shape[1:]))
    critic.reset()
    rng = np.random.default_rng(settings.seed)
    for _ in range(settings.steps):
        rows = rng.integers(len(x), size=settings.batch_size)
        others = rows if len(x) == len(y) else rng.integers(len(y), size=settings.batch_size)
        critic.step(x[rows] / scale, y[others] / scale)
    return critic


# Tracing a critic takes as long as some 20 of its steps.
@functools.lru_cache(maxsize=16)
def _critic(settings: ClippedCritic | PenalizedCritic, shape: tuple[int, ...]) -> Critic:
    return Critic(shape, settings.seed, settings.optimizer(), settings.take_step)


def _between(x, y, seed):
    """Points on the lines from samples x to samples y of others, by a seed of two numbers."""
    share = tf.random.stateless_uniform(tf.stack([tf.shape(x)[0], 1, 1, 1]), seed)
    return share * x + (1 - share) * tf.roll(y, 1, 0)


def _slopes(model, points):
    """The norms of the critic's gradients at points (n, height, width, channels): (n,)."""
    with tf.GradientTape() as tape:
        tape.watch(points)
        values = model(points)
    gradients = tape.gradient(values, points)
    return tf.norm(tf.reshape(gradients, [tf.shape(points)[0], -1]), axis=1)


def _root_mean_square(training):
    """The root mean square of the elements of some hundred samples, from first to last, of each."""
    squares = []
    for samples in checks.indexed_pair(*training):
        for row in np.linspace(0, len(samples) - 1, min(len(samples), 200)).astype(int):
            squares.append(
                np.square(checks.finite_rows(samples, row, row + 1), dtype=np.float64).mean()
            )
    return float(np.sqrt(np.mean(squares)))
