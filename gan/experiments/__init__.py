"""The paper's experiments with GANs, each a module: see `harness.experiments.perform`."""

from gan.experiments import cost, large, stability

EXPERIMENTS = {"stability": stability, "large": large, "cost": cost}
