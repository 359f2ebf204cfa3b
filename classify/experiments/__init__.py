"""The papers' experiments with classifiers, each a module: see `tfnorm.training.experiments`."""

from classify.experiments import micro_batch

EXPERIMENTS = {"micro_batch": micro_batch}
