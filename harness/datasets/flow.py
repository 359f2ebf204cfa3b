"""How elements of a `tf.data.Dataset` are made while others are used."""

import tensorflow as tf


def mapped(dataset, function):
    """Maps several elements at once, as many as TensorFlow takes for its threads, in order."""
    return dataset.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def ahead(dataset):
    """Makes two elements before they are asked for: the last step of every dataset that is read.

    Without TensorFlow's tuning, which is to find numbers as these. Its thread sleeps for up to a
    minute, and may miss that its iterator is gone: what ends an evaluation, or a run that is asked
    to end, then waits for it with nothing to do (3 to 7 of 40 iterators on a busy machine).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(2).with_options(options)
