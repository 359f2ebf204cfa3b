"""The generator's random inputs: functions of the seed and of what they are for."""

import tensorflow as tf

STREAMS = ("training", "fixed", "evaluation")


def latents(seed, stream, index, count, size):
    """Standard normal latents.

    Args:
        seed: of the run, an integer.
        stream: what they are for, one of `STREAMS`, each with numbers of its own.
        index: which of the stream's batches, an integer or int64 scalar.
        count, size: shape of the batch.

    Returns:
        (count, size), float32.
    """
    own_seed = len(STREAMS) * seed + STREAMS.index(stream)
    seeds = tf.stack([tf.constant(own_seed, tf.int64), tf.cast(index, tf.int64)])
    return tf.random.stateless_normal([count, size], seeds)


def evaluation_samples(generate, seed, size, count, batch_size=200):
    """Yields `count` samples in batches, the same ones each time.

    Args:
        generate: from latents (batch_size, size) to images (batch_size, h, w, channels).
        seed: of the run.
        size: of a latent.
        count: samples altogether.
        batch_size: samples in a batch.
    """
    for start in range(0, count, batch_size):
        images = generate(latents(seed, "evaluation", start, batch_size, size))
        yield images.numpy()[: count - start]
