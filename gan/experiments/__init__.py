"""The paper's experiments with GANs, each a module: see `tfnorm.training.experiments`."""

from gan.experiments import cost, large, stability

EXPERIMENTS = {"stability": stability, "large": large, "cost": cost}
