"""Which estimate of population statistics is better: the covariance's or the matrix's.

Figure I of Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
supplement, section B, and section 3.3 of the paper. An estimate does not touch the training
computation: layers follow both, and one training serves both.
"""

import dataclasses
import math

import keras
import tensorflow as tf

from classify import presets, run
from classify.experiments import trained
from classify.experiments.trained import FREE, PRODUCT
from classify.networks import mlp
from classify.trainer import Trainer, measure
from harness.errors import UserError
from harness.experiments.perform import chosen
from harness.experiments.sweep import Run
from harness.figures import charts
from harness.run.strategies import make_strategy
from tfnorm.layers import BatchWhitening

__all__ = ["FLAGS", "FREE", "PRODUCT", "carry_out", "describe", "report", "runs"]

# The learning rate is one of `rates`.
SHARED = [flag for flag in trained.FLAGS if flag != "learning_rate"]
FLAGS = ("norms", "widths", "batch_sizes", "rates", "group_size", *SHARED)

NORMS = ("zca", "cd", "itn", "pca")
# The supplement draws ZCA and CD, and does not print its widths and batch sizes: these are ours.
PAPER = {
    "norms": ("zca", "cd"),
    "widths": (16, 32, 64, 128, 256, 512),
    "batch_sizes": (16, 32, 64, 128, 256, 512, 1024),
    "rates": (0.5, 1.0),
}
# Ours: some three quarters of an hour on two cores.
SMALL = {
    "norms": ("zca", "cd"),
    "widths": (32, 64, 128, 256),
    "batch_sizes": (32, 128, 1024),
    "rates": (0.5, 1.0),
}
SMALL_FIELDS = {"epochs": 2.0, "eval_every": 1_000_000, "log_every": 50}


def runs(options):
    """One for each method, learning rate, width and batch size, the quick ones first."""
    small = options.scale == "small"
    grid = SMALL if small else PAPER
    config = dataclasses.replace(presets.MLP, **(SMALL_FIELDS if small else {}))
    found = []
    for rate in _numbers("rates", options.rates, grid, float):
        for batch_size in sorted(_numbers("batch_sizes", options.batch_sizes, grid, int))[::-1]:
            for width in sorted(_numbers("widths", options.widths, grid, int)):
                for norm in chosen("norms", options.norms or grid["norms"], NORMS):
                    of_norm = options.override(presets.whitened(config, norm))
                    of_run = dataclasses.replace(
                        of_norm, learning_rate=rate, batch_size=batch_size, width=width
                    )
                    found.append(
                        Run(f"{norm}_rate_{rate:g}_width_{width}_batch_{batch_size}", of_run)
                    )
    return found


def _numbers(flag, given, grid, kind):
    try:
        numbers = [kind(text) for text in given or grid[flag]]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) <= 0:
        raise UserError(f"--{flag} are positive numbers, with commas. Received: {','.join(given)}")
    return list(dict.fromkeys(numbers))


@keras.saving.register_keras_serializable(package="classify")
class TwoEstimates(BatchWhitening):
    """A `BatchWhitening` that follows the covariance, and the whitening matrix beside it.

    Attributes:
        of_matrix: whether inference is by the matrix.
    """

    of_matrix = False

    def build(self, input_shape):
        super().build(input_shape)
        self._moving_matrices = []
        for i, moving in enumerate(self._moving):
            matrix = self.add_statistic(f"moving_matrix_{i}", moving.shape, _identities)
            self._moving_matrices.append(matrix)
            setattr(self, f"moving_matrix_{i}", matrix)  # a checkpoint keeps attributes, not lists

    def follow_batch(self, mean, covariances, matrices):
        super().follow_batch(mean, covariances, matrices)
        self.follow(self._moving_matrices, matrices)

    def inference_matrices(self):
        if self.of_matrix:
            return [tf.convert_to_tensor(weight) for weight in self._moving_matrices]
        return super().inference_matrices()


def _identities(shape, dtype=None):
    return tf.eye(shape[-1], batch_shape=shape[:-2], dtype=dtype)


class TwoEstimatesTrainer(Trainer):
    """Trains once, and evaluates by both estimates."""

    def make_model(self, shape, num_classes):
        config = self.config

        def norm(name):
            return TwoEstimates(
                config.norm,
                config.group_size,
                config.iterations,
                momentum=config.norm_momentum,
                epsilon=config.epsilon,
                device=config.device,
                center=False,
                scale=False,
                name=name,
            )

        return mlp.classifier(
            norm, shape=shape, num_classes=num_classes, depth=config.depth, width=config.width
        )

    def evaluate(self, batches):
        """See `Trainer.evaluate`; by the matrix, the names begin with `matrix_`."""
        batches = list(batches)
        by_matrix = measure(self._by_matrix, batches)
        return super().evaluate(batches) | {f"matrix_{k}": v for k, v in by_matrix.items()}

    @tf.function
    def _by_matrix(self, images):
        layers = [layer for layer in self.model.layers if isinstance(layer, TwoEstimates)]
        for layer in layers:
            layer.of_matrix = True
        logits = self.model(images, training=False)
        for layer in layers:
            layer.of_matrix = False
        return logits


def carry_out(config, directory):
    """Trains as `classify.train` does, with layers that follow both estimates."""
    run.train(config, make_strategy(config.strategy), directory, TwoEstimatesTrainer)


def _accuracies(outcome):
    """In percent by the covariance and by the matrix; None if the run has diverged."""
    if outcome.state != "complete":
        return None
    row = outcome.last()
    return 100 * row["test_accuracy"], 100 * row["matrix_test_accuracy"]


def describe(outcome):
    """A complete run in a few words."""
    by_covariance, by_matrix = _accuracies(outcome)
    return f"accuracy {by_covariance:.2f} % by the covariance, {by_matrix:.2f} % by the matrix"


def report(outcomes, out):
    """Figure I: the difference of the accuracies over width and batch size."""
    rows, panels = [], {}
    for outcome in outcomes:
        config, accuracies = outcome.run.config, _accuracies(outcome)
        by_covariance, by_matrix = accuracies or (math.nan, math.nan)
        difference = None if accuracies is None else by_covariance - by_matrix
        title = f"{config.norm}, learning rate {config.learning_rate:g}"
        panels.setdefault(title, {})[config.batch_size, config.width] = difference
        rows.append(
            {
                "method": config.norm,
                "learning rate": config.learning_rate,
                "width": config.width,
                "batch size": config.batch_size,
                "by the covariance, %": by_covariance if accuracies else None,
                "by the matrix, %": by_matrix if accuracies else None,
                "difference, %": difference,
                "state": outcome.state,
            }
        )
    config = outcomes[0].run.config
    caption = (
        f"Accuracy on the test split of {config.dataset} after {config.epochs:g} epochs, by moving "
        "covariances and by moving whitening matrices of the same training."
    )
    out.write(table=(caption, rows))
    charts.write_heat_maps(
        out / "figure.png",
        dict(sorted(panels.items())),
        "batch size",
        "width, units of a hidden layer",
        "accuracy by covariance minus by matrix, %",
    )
