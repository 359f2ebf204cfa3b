"""The papers' experiments with classifiers, each a module: see `harness.experiments.perform`."""

from classify.experiments import (
    covariate_shift,
    disturbance,
    estimation,
    imagenet,
    known_distances,
    micro_batch,
    time,
    vgg,
)

EXPERIMENTS = {
    "micro_batch": micro_batch,
    "estimation": estimation,
    "vgg": vgg,
    "imagenet": imagenet,
    "time": time,
    "covariate_shift": covariate_shift,
    "known_distances": known_distances,
    "disturbance": disturbance,
}
