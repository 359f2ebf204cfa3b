"""Layers that follow both estimates of population statistics, and training with them."""

import contextlib

import keras
import tensorflow as tf

from classify import run
from classify.networks import mlp
from classify.trainer import Trainer, measure
from tfnorm.layers import BatchWhitening


@keras.saving.register_keras_serializable(package="classify")
class TwoEstimates(BatchWhitening):
    """A `BatchWhitening` that follows the covariance, and the whitening matrix beside it.

    Attributes:
        by_matrix: whether inference is by the matrix.
    """

    by_matrix = False

    def build(self, input_shape):
        super().build(input_shape)
        self._moving_matrices = []
        for i, moving in enumerate(self.block_weights("moving_covariance")):
            matrix = self.add_statistic(f"moving_matrix_{i}", moving.shape, _identities)
            self._moving_matrices.append(matrix)
            setattr(self, f"moving_matrix_{i}", matrix)  # a checkpoint keeps attributes, not lists

    def follow_batch(self, mean, covariances, matrices):
        super().follow_batch(mean, covariances, matrices)
        self.follow(self._moving_matrices, matrices)

    def inference_matrices(self):
        if self.by_matrix:
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
        accuracies = measure(self._by_matrix, batches)
        return super().evaluate(batches) | {f"matrix_{k}": v for k, v in accuracies.items()}

    @tf.function(autograph=False)
    def _by_matrix(self, images):
        with _by_matrices(self.model):
            return self.model(images, training=False)


@contextlib.contextmanager
def _by_matrices(model):
    """Meanwhile the model infers by its moving matrices."""
    layers = [layer for layer in model.layers if isinstance(layer, TwoEstimates)]
    for layer in layers:
        layer.by_matrix = True
    try:
        yield
    finally:
        for layer in layers:
            layer.by_matrix = False


class Run(run.Run):
    """A run as of `classify.train`, with layers that follow both estimates."""

    trainer_class = TwoEstimatesTrainer
