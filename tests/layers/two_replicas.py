"""Training calls on two replicas, each of which has half of the batch.

They are two devices of one process ("mirrored"), or two processes that find each other by TF_CONFIG
("multi_worker").
"""

import keras
import numpy as np
import tensorflow as tf

import tfnorm
from harness.run import strategies

CHANNELS = 5


def _whitening(method, **options):
    return lambda: tfnorm.BatchWhitening(method, group_size=2, momentum=0.5, **options)


def _unitization(**options):
    return lambda: tfnorm.Unitization(alpha_initializer="ones", momentum=0.5, **options)


class NormalisedDense(keras.layers.Dense):
    """A Dense with moving averages inside."""

    def build(self, input_shape):
        super().build(input_shape)
        self.norm = tfnorm.Unitization(momentum=0.5)
        self.norm.build((*input_shape[:-1], self.units))

    def call(self, inputs, training=None):
        return self.norm(super().call(inputs), training=training)


class ByDomain(keras.layers.Layer):
    """A whitening of two domains, told apart by a sample's first number."""

    def build(self, input_shape):
        self.norm = _whitening("itn", domains=2, synchronized=True)()
        self.norm.build(input_shape)

    def call(self, inputs, training=None):
        domain = tf.cast(inputs[:, 0, 0] > 0.5, tf.int32)
        return self.norm(inputs, domain, training=training)


SYNCHRONIZED = {
    **{name: _whitening(name, synchronized=True) for name in tfnorm.functional.WHITENERS},
    "zca_matrix": _whitening("zca", estimate="matrix", synchronized=True),
    "unitization": _unitization(synchronized=True),
    "by_domain": ByDomain,
}
APART = {
    "cd_apart": _whitening("cd"),
    "itn_matrix_apart": _whitening("itn", estimate="matrix"),
    "unitization_apart": _unitization(),
    "spectral_apart": lambda: tfnorm.SpectralNormalization(NormalisedDense(CHANNELS)),
}


def batches():
    """Two batches, x and dy (2, 8, 3, channels), of which the halves have unlike statistics."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 3, CHANNELS)) + rng.normal(size=(2, 8, 1, CHANNELS))
    x[:, 4:] = 2 * x[:, 4:] + 1
    return x.astype(np.float32), rng.normal(size=x.shape).astype(np.float32)


def training_step(layer, x, dy):
    """The output, and the gradients of the input and of each trainable weight."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    weights = [weight.value for weight in layer.trainable_weights]
    gradients = tape.gradient(y, [x, *weights], output_gradients=dy)
    return [y, *map(tf.convert_to_tensor, gradients)]


def set_up(make):
    keras.utils.set_random_seed(0)
    layer = make()
    layer.build((None, 3, CHANNELS))
    return layer


def moving_of(layer):
    return {weight.name: weight for weight in layer.weights if not weight.trainable}


def on_replicas(strategy, make):
    """What `training_step` returns under "0", "1", ..., (replicas of this process, steps, ...); the
    moving statistics after two steps under their names, (replicas of this process, ...).
    """
    with strategy.scope():
        layer = set_up(make)

    @tf.function
    def run(x, dy):
        return strategy.run(lambda x, dy: training_step(layer, x, dy), (x, dy))

    def local(value):
        return np.stack([part.numpy() for part in strategy.experimental_local_results(value)])

    steps = []
    for x, dy in zip(*batches(), strict=True):
        halves = [
            strategy.experimental_distribute_values_from_function(
                lambda context, value=value: tf.constant(
                    np.split(value, 2)[context.replica_id_in_sync_group]
                )
            )
            for value in (x, dy)
        ]
        steps.append([local(value) for value in run(*halves)])
    result = {str(i): np.stack(values, axis=1) for i, values in enumerate(zip(*steps, strict=True))}
    return result | {name: local(weight.value) for name, weight in moving_of(layer).items()}


def main(path, strategy_name):
    """Writes a process' `on_replicas` of each layer to a file, an .npz, under "NAME/WHAT".

    The process is to have done nothing else: TensorFlow's devices are set before it does anything.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    # One strategy for all: those of a second one would mix up their reductions with the first's.
    strategy = strategies.make_strategy(strategy_name)
    assert strategy.num_replicas_in_sync == 2
    results = {}
    for name, make in (SYNCHRONIZED | APART).items():
        for what, value in on_replicas(strategy, make).items():
            results[f"{name}/{what}"] = value
    np.savez(path, **results)
