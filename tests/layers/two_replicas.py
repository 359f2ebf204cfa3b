"""Training calls on two replicas: python -m tests.layers.two_replicas FILE.npz

A program of its own, because TensorFlow's logical devices are set before it does anything else. It
writes what `on_replicas` returns for each layer, under "NAME/WHAT", with two CPU devices of which
each has half of the batch.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

import tfnorm

CHANNELS = 5


def _whitening(method, **options):
    return lambda: tfnorm.BatchWhitening(method, group_size=2, momentum=0.5, **options)


def _unitization(**options):
    return lambda: tfnorm.Unitization(alpha_initializer="ones", momentum=0.5, **options)


SYNCHRONIZED = {
    **{name: _whitening(name, synchronized=True) for name in tfnorm.functional.WHITENERS},
    "zca_matrix": _whitening("zca", estimate="matrix", synchronized=True),
    "unitization": _unitization(synchronized=True),
}
APART = {
    "cd_apart": _whitening("cd"),
    "itn_matrix_apart": _whitening("itn", estimate="matrix"),
    "unitization_apart": _unitization(),
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
    """What `training_step` returns under "0", "1", ..., over two steps; the moving statistics under
    their names, of each replica.
    """
    with strategy.scope():
        layer = set_up(make)

    @tf.function
    def run(x, dy):
        return strategy.run(training_step, (layer, x, dy))

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
        parts = [strategy.experimental_local_results(value) for value in run(*halves)]
        y, dx = (np.concatenate(values) for values in parts[:2])
        # The weights' gradients are those of the replica's part, and the optimizer sums them.
        steps.append([y, dx, *(np.sum(values, axis=0) for values in parts[2:])])
    result = {str(i): np.stack(values) for i, values in enumerate(zip(*steps, strict=True))}
    for name, weight in moving_of(layer).items():
        result[name] = np.stack(strategy.experimental_local_results(weight.value))
    return result


def main(path):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    # One strategy for all: those of a second one would mix up their reductions with the first's.
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    results = {}
    for name, make in (SYNCHRONIZED | APART).items():
        for what, value in on_replicas(strategy, make).items():
            results[f"{name}/{what}"] = value
    np.savez(path, **results)


if __name__ == "__main__":
    main(sys.argv[1])
