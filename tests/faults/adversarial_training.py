"""Trains on data made to break a whitening, and counts what is not finite.

    python -m tests.faults.adversarial_training --steps=10000

Each run is a perceptron of three whitened layers, by one method, group size and dtype policy, on
batches of 64 rows whose channels are of rank 4, or duplicates, or repeated rows, and whose scale
grows from 1 to 10,000 as the training goes on (1,000 under float16, which ends at 65,504). It
prints a line a run: the steps; how many had a loss, a moving statistic or a whitened value that was
not finite; and the largest of these values. Under a mixed float16 policy a gradient may overflow:
the loss scale then halves and the step is left out, which is counted by itself.
"""

import argparse
import sys
import typing

import keras
import numpy as np
import tensorflow as tf

import tfnorm

METHODS = tuple(tfnorm.functional.WHITENERS)
GROUP_SIZES = (16, None)
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
BATCH, CHANNELS, CLASSES = 64, 32, 4


class Outcome(typing.NamedTuple):
    """What a training came to.

    Attributes:
        steps: that it took.
        not_finite: steps whose loss, moving statistics or whitened values were not finite.
        left_out: steps whose gradients were not finite, and that an optimizer leaves out.
        largest: the largest absolute value that a whitening gave.
    """

    steps: int
    not_finite: int
    left_out: int
    largest: float


def batch(step, steps, rng, orders=4):
    """A hostile batch (BATCH, CHANNELS), its scale growing by so many orders, and its labels."""
    kind = step % 4
    x = rng.normal(size=(BATCH, 4)) @ rng.normal(size=(4, CHANNELS))  # rank 4
    if kind == 1:
        x[:, CHANNELS // 2 :] = x[:, : CHANNELS // 2]  # duplicates
    elif kind == 2:
        x = np.repeat(x[::8], 8, axis=0)  # repeated rows
    elif kind == 3:
        x = rng.normal(size=(BATCH, CHANNELS))
    labels = (x[:, 0] > 0) + 2 * (x[:, 1] > 0)
    scale = 10.0 ** (orders * step / steps)
    return (scale * x).astype(np.float32), labels.astype(np.int32)


def train(method, group_size, policy, steps, seed=0):
    """Trains a perceptron, and returns an `Outcome`."""
    keras.utils.set_random_seed(seed)
    whitenings = [
        tfnorm.BatchWhitening(method, group_size=group_size, momentum=0.9, dtype=policy)
        for _ in range(3)
    ]
    denses = [keras.layers.Dense(CHANNELS, dtype=policy) for _ in whitenings]
    inputs = y = keras.Input((CHANNELS,), dtype="float32")
    outputs = []
    for whitening, dense in zip(whitenings, denses, strict=True):
        y = whitening(y)
        outputs.append(y)
        y = keras.ops.relu(dense(y))
    logits = keras.layers.Dense(CLASSES, dtype="float32")(y)
    model = keras.Model(inputs, [logits, *outputs])
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    variables = model.trainable_variables
    optimizer.build(variables)

    @tf.function
    def step(x, labels):
        with tf.GradientTape() as tape:
            logits, *outputs = model(x, training=True)
            loss = tf.reduce_mean(
                keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            )
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables)
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
        if policy == "mixed_float16":  # which leaves such steps out by itself
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        else:
            tf.cond(
                finite,
                lambda: optimizer.apply_gradients(zip(gradients, variables, strict=True)),
                lambda: optimizer.iterations,
            )
        # The outputs too: a rectifier can make 0 of NaN.
        values = [loss, *outputs, *model.non_trainable_variables]
        sound = tf.reduce_all(
            [tf.reduce_all(tf.math.is_finite(tf.cast(v, tf.float32))) for v in values]
        )
        largest = tf.reduce_max([tf.reduce_max(tf.abs(tf.cast(o, tf.float32))) for o in outputs])
        return sound, finite, largest

    rng, not_finite, left_out, largest = np.random.default_rng(seed), 0, 0, 0.0
    orders = 3 if policy == "mixed_float16" else 4
    for index in range(steps):
        sound, finite, size = step(*batch(index, steps, rng, orders))
        not_finite += not bool(sound)
        left_out += not bool(finite)
        largest = max(largest, float(size)) if np.isfinite(size) else float("inf")
    return Outcome(steps, not_finite, left_out, largest)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10_000)
    steps = parser.parse_args(arguments).steps
    print("| method | group | policy | steps | not finite | left out | largest output |")
    print("|---|---|---|---|---|---|---|")
    failed = False
    for method in METHODS:
        for group_size in GROUP_SIZES:
            for policy in POLICIES:
                outcome = train(method, group_size, policy, steps)
                failed |= outcome.not_finite > 0
                print(
                    f"| {method} | {group_size or 'all'} | {policy} | {outcome.steps} "
                    f"| {outcome.not_finite} | {outcome.left_out} | {outcome.largest:.3g} |",
                    flush=True,
                )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
