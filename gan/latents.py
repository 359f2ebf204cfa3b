"""The random numbers of a run, functions of the seed and of what they are for."""

import tensorflow as tf

STREAMS = ("training", "fixed", "evaluation", "penalty")


def latents(seed, stream, index, count, size):
    """Draws standard normal latents.

    Args:
        seed: of the run, an integer.
        stream: what they are for, one of `STREAMS`, no two of which have a number in common.
        index: which of the stream's batches, an integer or int64 scalar.
        count, size: shape of the batch.

    Returns:
        (count, size), float32.
    """
    return tf.random.stateless_normal([count, size], _key(seed, stream, index))


def uniforms(seed, stream, index, shape):
    """Draws as `latents`, uniform in [0, 1) and of any shape, float32."""
    return tf.random.stateless_uniform(shape, _key(seed, stream, index))


def labels(seed, stream, index, count, num_classes, shares=None):
    """Draws as `latents`: labels from 0 to `num_classes` - 1, int32 (count,).

    Label i has the chance `shares[i]`; None: all are as likely.
    """
    key = tf.random.experimental.stateless_fold_in(_key(seed, stream, index), _LABELS)
    if shares is not None:
        below = tf.cumsum(tf.constant(shares, tf.float64))[:-1]
        drawn = tf.random.stateless_uniform([count], key, dtype=tf.float64)
        return tf.searchsorted(below, drawn, side="right")
    return tf.random.stateless_uniform([count], key, maxval=num_classes, dtype=tf.int32)


# Labels are other numbers than the latents that they come with.
_LABELS = 1


def _key(seed, stream, index):
    own_seed = len(STREAMS) * seed + STREAMS.index(stream)
    return tf.stack([tf.constant(own_seed, tf.int64), tf.cast(index, tf.int64)])


def evaluation_samples(
    generate, seed, size, count, batch_size=200, num_classes=None, label_shares=None
):
    """Yields `count` samples (n, h, w, channels) in batches, the same ones each time.

    Args:
        generate: from latents (batch_size, size), and labels (batch_size,) if there are classes, to
            images (batch_size, h, w, channels).
        seed: of the run.
        size: of a latent.
        count: samples altogether.
        batch_size: samples in a batch.
        num_classes: of a conditional generator.
        label_shares: the chance of each class; None: all have the same.
    """
    for start in range(0, count, batch_size):
        inputs = [latents(seed, "evaluation", start, batch_size, size)]
        if num_classes is not None:
            inputs.append(labels(seed, "evaluation", start, batch_size, num_classes, label_shares))
        yield generate(*inputs).numpy()[: count - start]
