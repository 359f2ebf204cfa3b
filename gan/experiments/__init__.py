"""The papers' experiments with GANs, in the order of `--help`."""

from gan.experiments import cost, gain, large, stability

EXPERIMENTS = [stability.EXPERIMENT, large.EXPERIMENT, cost.EXPERIMENT, gain.EXPERIMENT]
