"""Measures the disturbance of each normalization layer of a trained model."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from classify import inputs
from classify.experiments.disturbed_methods import methods
from classify.experiments.measured_methods import finite, whiteness
from classify.identity import SUBSETS, subset_of
from classify.parts import open_split
from classify.saved import best_network, run_config
from harness.datasets.taking import taken
from harness.errors import UserError
from harness.run.directory import RunDirectory
from tfnorm.analysis.layer_stochasticity import layer_disturbances
from tfnorm.layers.sites import normalization_sites


def measure(config):
    """Rows of a layer, what it is, its disturbance, and the whiteness of its output.

    The whiteness is that of a mini-batch, normalised as in training: without gamma and beta, which
    have nothing to do with it, while they are in the disturbance. Of "bn" and others without a
    whitening it is of all channels together.
    """
    model, scaling = best_network(config.run_dir)
    images = _images(config, scaling)
    disturbances = layer_disturbances(
        model,
        images,
        config.batch_size,
        samples=config.samples,
        batches=config.batches,
        normalizer=config.normalizer,
        seed=config.seed,
    )
    if not disturbances:
        raise UserError(f"The network of {config.run_dir} has no normalization layer.")
    group_sizes = {site.name: site.group_size for site in normalization_sites(model)}
    rows = []
    for name, kind, channels, value in disturbances:
        size = group_sizes[name] if kind in methods() else None
        output = _normalized(model, model.get_layer(name), images[: config.batch_size])
        rows.append(
            {
                "layer": name,
                "kind": kind,
                "channels": channels,
                "group_size": size,
                "disturbance": finite(value),
                **whiteness(output, size),
            }
        )
    return rows


def _images(config, scaling):
    """Some training images of the run, drawn at random, without augmentation and scaled."""
    run = dataclasses.replace(run_config(config.run_dir), data_dir=config.data_dir)
    take = SUBSETS[subset_of(RunDirectory(config.run_dir, writes=False))]
    images = take(open_split(run, "train"), run.train_size, run.seed)
    count = len(images.labels)
    order = np.random.default_rng(config.seed).permutation(count)[: config.train_size]
    return inputs.scaled_images(taken(images, order), scaling, run.image_size)


def _normalized(model, layer, images):
    """What the layer makes of these images in training, with a gamma of 1 and a beta of 0."""
    x = keras.Model(model.inputs, layer.input)([images], training=False)
    weights = [(layer.gamma, tf.ones_like), (layer.beta, tf.zeros_like)]
    neutral = [(weight, like(weight)) for weight, like in weights if weight is not None]
    with keras.StatelessScope(state_mapping=neutral):
        return layer(x, training=True)
