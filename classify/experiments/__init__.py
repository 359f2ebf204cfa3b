"""The papers' experiments with classifiers, and ours, in the order of `--help`."""

from classify.experiments import (
    covariate_shift,
    disturbance,
    estimation,
    gain,
    imagenet,
    known_distances,
    micro_batch,
    time,
    vgg,
)

EXPERIMENTS = [
    micro_batch.EXPERIMENT,
    estimation.EXPERIMENT,
    vgg.EXPERIMENT,
    imagenet.EXPERIMENT,
    time.EXPERIMENT,
    covariate_shift.EXPERIMENT,
    known_distances.EXPERIMENT,
    disturbance.EXPERIMENT,
    gain.EXPERIMENT,
]
