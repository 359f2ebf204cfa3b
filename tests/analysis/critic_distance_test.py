"""Critics: the steps of Algorithm 3 against NumPy, and distances that are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnorm.analysis.critic_distance import ClippedCritic, PenalizedCritic
from tfnorm.analysis.critics import CONVOLUTIONS, Critic, make_critic


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def test_architecture():
    critic = make_critic((16, 12, 7))
    convolutions = [layer for layer in critic.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(layer.filters, layer.strides[0]) for layer in convolutions] == list(CONVOLUTIONS)
    assert [layer.output.shape[1:3] for layer in convolutions] == [(8, 6), (8, 6), (4, 3), (4, 3)]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert {layer.activation.__name__ for layer in convolutions} == {"relu"}
    assert critic.output_shape == (None, 1)
    for layer in [*convolutions, critic.layers[-1]]:
        fan_in = np.prod(layer.kernel.shape[:-1])
        if layer is not critic.layers[-1]:
            np.testing.assert_allclose(np.std(layer.kernel), np.sqrt(2 / fan_in), rtol=0.05)
        assert not np.any(layer.bias)
    again = make_critic((16, 12, 7))
    for one, other in zip(critic.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_first_step_of_clipped_critic():
    """RMSProp's first step is 10 times the rate, up the gradient; then weights are clipped."""
    settings = ClippedCritic(learning_rate=1e-3, clip=0.05)
    x, y = normal(8, 4, 4, 2), normal(8, 4, 4, 2, seed=1)
    critic = Critic((4, 4, 2), 0, settings.optimizer(), settings.take_step)
    before = critic.model.get_weights()
    with tf.GradientTape() as tape:
        difference = tf.reduce_mean(tf.sigmoid(critic.model(x)) - tf.sigmoid(critic.model(y)))
    ascent = tape.gradient(difference, critic.model.trainable_variables)
    critic.step(x, y)
    for old, gradient, new in zip(before, ascent, critic.model.get_weights(), strict=True):
        clear = abs(gradient) > 1e-5
        expected = np.clip(old + 0.01 * np.sign(gradient), -0.05, 0.05)
        np.testing.assert_allclose(new[clear], expected[clear], rtol=1e-3, atol=1e-6)
        assert clear.numpy().any() and abs(new).max() <= np.float32(0.05)


def test_difference_is_float64_of_test_samples():
    estimator = ClippedCritic(steps=3, batch_size=4)
    training = normal(6, 4, 4, 2), normal(6, 4, 4, 2, seed=1)
    x = normal(300, 4, 4, 2, seed=2)
    close = x + np.float32(1e-4) * normal(300, 4, 4, 2, seed=3)
    settings = Critic((4, 4, 2), 0, estimator.optimizer(), estimator.take_step)
    rows = np.random.default_rng(0)
    for _ in range(3):
        chosen = rows.integers(6, size=4)
        settings.step(training[0][chosen], training[1][chosen])
    logits = [np.asarray(settings.model(values), np.float64) for values in (close, x)]
    expected = np.subtract(*((1 / (1 + np.exp(-values))).mean() for values in logits))
    got = estimator(training, (close, x))
    # Far below the 6e-8 that a float32 sigmoid of about 1/2 resolves.
    assert 0 < abs(expected) < 1e-8
    np.testing.assert_allclose(got, expected, rtol=1e-3)


@pytest.mark.parametrize("estimator", [ClippedCritic(steps=10), PenalizedCritic(steps=10)])
def test_same_each_time(estimator):
    """No estimate depends on one before, nor on the program's random numbers."""
    pair = normal(50, 6, 6, 3) + 0.5, normal(50, 6, 6, 3, seed=1)
    first = estimator(pair, pair)
    keras.utils.set_random_seed(7)
    estimator((pair[1], pair[0]), pair)
    assert estimator(pair, pair) == first > 0
    keras.utils.set_random_seed(7)
    expected = np.random.random(), float(tf.random.uniform([]))
    keras.utils.set_random_seed(7)
    estimator(pair, pair)
    assert (np.random.random(), float(tf.random.uniform([]))) == expected


@pytest.mark.parametrize(
    "estimator, shape",
    [
        (ClippedCritic(steps=2), (12,)),
        (PenalizedCritic(steps=2), (5, 3)),
        (PenalizedCritic(steps=2), (4,)),
    ],
)
def test_shapes(estimator, shape):
    pair = normal(9, *shape) + 0.5, normal(7, *shape, seed=1)
    assert np.isfinite(estimator(pair, pair))


def test_penalized_shift():
    """Also a large one, of which the critic is too steep by a half."""
    x, test = normal(1000, 2, 2, 4), normal(500, 2, 2, 4, seed=1)
    estimator = PenalizedCritic(steps=100, learning_rate=5e-4)
    for size in (2, 10):
        v = np.full((2, 2, 4), size / 4, np.float32)
        assert np.linalg.norm(v) == size
        estimate = estimator((x + v, x), (test + v, test))
        assert 0.8 * size < estimate < 1.01 * size
    # An estimate of nothing: far below.
    others = normal(1000, 2, 2, 4, seed=2), normal(500, 2, 2, 4, seed=3)
    assert abs(estimator((x, others[0]), (test, others[1]))) < 0.2


def test_penalized_scales():
    estimator = PenalizedCritic(steps=5)
    pair = normal(50, 4, 4, 2) + 0.5, normal(50, 4, 4, 2, seed=1)
    scaled = [1024 * values for values in pair]
    np.testing.assert_allclose(estimator(scaled, scaled), 1024 * estimator(pair, pair), rtol=1e-4)
    zeros = np.zeros((5, 3))
    assert estimator((zeros, zeros), (zeros, zeros)) == 0


def test_clipped_grows_with_the_shift():
    x, test = normal(500, 4, 4, 8), normal(200, 4, 4, 8, seed=1)
    estimator = ClippedCritic(steps=60, learning_rate=1e-3)
    distances = [estimator((x + v, x), (test + v, test)) for v in (0.0, 0.01, 0.03, 0.1, 0.3)]
    assert distances[0] == 0 and distances == sorted(distances) and distances[-1] < 1


@pytest.mark.parametrize("name", ["steps", "batch_size", "learning_rate"])
@pytest.mark.parametrize("make", [ClippedCritic, PenalizedCritic])
def test_errors(make, name):
    with pytest.raises(ValueError, match=f"Received: {name}=0"):
        make(**{name: 0})
    if name != "learning_rate":
        with pytest.raises(ValueError, match=f"Received: {name}=2.5"):
            make(**{name: 2.5})


def test_other_errors():
    with pytest.raises(ValueError, match="Received: clip=-1"):
        ClippedCritic(clip=-1)
    with pytest.raises(ValueError, match="Received: penalty=inf"):
        PenalizedCritic(penalty=float("inf"))
    x = normal(4, 3)
    with pytest.raises(ValueError, match=r"x.shape=\(4, 3\), y.shape=\(4, 2\)"):
        ClippedCritic()((x, x[:, :2]), (x, x))
    for make in (ClippedCritic, PenalizedCritic):
        with pytest.raises(ValueError, match="Received: values that are not"):
            make(steps=1)((x, x), (x, x + np.nan))
    videos = normal(2, 2, 2, 2, 2)
    with pytest.raises(ValueError, match=r"Received: samples of shape \(2, 2, 2, 2\)"):
        ClippedCritic()((videos, videos), (videos, videos))
