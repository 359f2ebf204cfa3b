"""A trainer of small networks on images of 28 pixels and ten classes, and its batches."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from gan import presets
from gan.trainer import Trainer
from harness.datasets import ImageKind

CONFIG = dataclasses.replace(
    presets.PRESETS["quickstart"],
    image_size=28,
    generator_filters=8,
    discriminator_filters=8,
    batch_size=8,
    steps=10,
    n_dis=2,
)


def make(strategy=None, **changes):
    """A `Trainer` of the configuration with changes, whose weights follow from the seed."""
    config = dataclasses.replace(CONFIG, **changes)
    keras.utils.set_random_seed(config.seed)
    return Trainer(config, ImageKind(1, 10), strategy or tf.distribute.get_strategy())


def batch(step, n_dis=2, size=8):
    """A step's images (n_dis, size, 28, 28, 1) and labels (n_dis, size)."""
    images = np.random.default_rng(step).uniform(-1, 1, (n_dis, size, 28, 28, 1))
    labels = np.random.default_rng(step).integers(10, size=(n_dis, size))
    return {"images": tf.constant(images, tf.float32), "labels": tf.constant(labels, tf.int32)}
