"""The papers' experiments with classifiers, each a module: see `tfnorm.training.experiments`."""

from classify.experiments import estimation, imagenet, micro_batch, time, vgg

EXPERIMENTS = {
    "micro_batch": micro_batch,
    "estimation": estimation,
    "vgg": vgg,
    "imagenet": imagenet,
    "time": time,
}
