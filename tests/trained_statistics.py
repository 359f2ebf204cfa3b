"""Models whose BatchNormalization is as after training."""

import numpy as np


def randomized(model):
    """Statistics, scales and shifts of a BatchNormalization as after training, at random."""
    rng = np.random.default_rng(0)
    draw = {
        "gamma": lambda shape: rng.uniform(0.5, 1.5, shape),
        "beta": lambda shape: rng.normal(0.0, 0.1, shape),
        "moving_mean": lambda shape: rng.normal(0.0, 0.1, shape),
        "moving_variance": lambda shape: rng.uniform(0.5, 2.0, shape),
    }
    for weight in model.weights:
        if weight.name in draw:
            weight.assign(draw[weight.name](weight.shape))
    return model
