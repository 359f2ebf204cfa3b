"""Training steps of a classifier on any tf.distribute strategy."""

import keras
import numpy as np
import tensorflow as tf

from classify.models import make_model
from classify.schedules import learning_rate

DECAYED = ("kernels", "all")


class Trainer:
    """The network and its optimizer, to take training steps and to evaluate.

    Args:
        config: a `config.Config`.
        shape: (height, width, channels) of an image, in pixels.
        num_classes: number of classes.
        steps: of the run, over which the learning rate falls.
        strategy: a `tf.distribute` strategy.

    Raises:
        ValueError: the configuration asks for a network that there is not.
    """

    def __init__(self, config, shape, num_classes, steps, strategy):
        self.config = config
        self.strategy = strategy
        replicas = strategy.num_replicas_in_sync
        if config.batch_size % replicas:
            raise ValueError(
                f"`batch_size` must be a multiple of {replicas}, the devices that share a batch. "
                f"Received: batch_size={config.batch_size}"
            )
        with strategy.scope():
            self.model = self.make_model(shape, num_classes)
            if config.freeze is not None:
                freeze(self.model, config.freeze.split(","))
            self.optimizer = keras.optimizers.SGD(
                learning_rate(config, steps), config.sgd_momentum, config.nesterov
            )
            self.optimizer.build(self.model.trainable_variables)

    def make_model(self, shape, num_classes):
        """Makes the network; an experiment may make it otherwise."""
        return make_model(self.config, shape, num_classes)

    @property
    def state(self):
        """The objects that a checkpoint has to keep, by name."""
        return {"model": self.model, "optimizer": self.optimizer}

    @property
    def models(self):
        """The networks that are trained."""
        return (self.model,)

    @property
    def learning_rate(self):
        """That of the next step."""
        return float(self.optimizer.learning_rate)

    def is_finite(self):
        """Tells whether all weights are finite: the losses of a step are from before its update."""
        weights = self.model.weights
        return all(bool(tf.reduce_all(tf.math.is_finite(weight))) for weight in weights)

    def step(self, step, batch):
        """Updates the weights once.

        Args:
            step: steps that were taken before.
            batch: dict with `images`, of each replica (batch, h, w, channels), scaled, and
                `labels`, (batch,).

        Returns:
            dict of scalars over the batch: `loss`, the mean cross-entropy in nats without the
            weights' decay, and `accuracy`, the share of images that were classified rightly.
        """
        return self._step(batch["images"], batch["labels"])

    def evaluate(self, batches):
        """Measures the network as it is for inference: see `measure`."""
        return measure(self._logits, batches)

    @tf.function(autograph=False)
    def _logits(self, images):
        return self.model(images, training=False)

    @tf.function(autograph=False)
    def _step(self, images, labels):
        logs = self.strategy.run(self._replica_step, (images, labels))
        return {
            name: self.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
            for name, value in logs.items()
        }

    def _replica_step(self, images, labels):
        replicas = self.strategy.num_replicas_in_sync  # an optimizer sums over them
        with tf.GradientTape() as tape:
            logits = self.model(images, training=True)
            loss = tf.reduce_mean(cross_entropies(labels, logits)) / replicas
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        decay = self.config.weight_decay / replicas
        self.optimizer.apply(
            [
                gradient + decay * variable if decay and self._decays(variable) else gradient
                for gradient, variable in zip(gradients, variables, strict=True)
            ],
            variables,
        )
        right = tf.cast(tf.argmax(logits, 1, tf.int32) == labels, tf.float32)
        return {"loss": loss, "accuracy": tf.reduce_mean(right) / replicas}

    def _decays(self, variable):
        return self.config.decayed == "all" or variable.name == "kernel"


def freeze(model, beginnings):
    """Keeps the layers whose names begin so from being trained, with their moving statistics.

    Raises:
        ValueError: no layer's name does, or nothing is left to train.
    """
    for beginning in beginnings:
        found = [layer for layer in model.layers if layer.name.startswith(beginning) and beginning]
        if not any(layer.weights for layer in found):
            names = [layer.name for layer in model.layers if layer.weights]
            raise ValueError(
                "`freeze` must be beginnings of names of layers with weights, as "
                f"{', '.join(names[:3])}. Received: {beginning!r}"
            )
        for layer in found:
            layer.trainable = False
    if not model.trainable_variables:
        raise ValueError(f"`freeze` must leave a layer to train. Received: {','.join(beginnings)}")


def take_weights(model, source):
    """Gives each layer the weights of the layer of its name in another model, where all fit.

    Returns:
        `(taken, left)`: names of layers with weights that got them, and that did not.
    """
    others = {layer.name: layer for layer in source.layers}
    taken, left = [], []
    for layer in model.layers:
        if not layer.weights:
            continue
        values = others[layer.name].get_weights() if layer.name in others else []
        fits = [value.shape for value in values] == [tuple(w.shape) for w in layer.weights]
        if fits:
            layer.set_weights(values)
        (taken if fits else left).append(layer.name)
    return taken, left


def cross_entropies(labels, logits):
    """Computes cross-entropies in nats: of labels int (n,) and logits (n, classes), float (n,)."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def measure(classify, batches):
    """Measures how well images are classified.

    Args:
        classify: function from images (n, h, w, channels) to logits (n, classes).
        batches: iterable of dicts with `images` and `labels`, (n,).

    Returns:
        dict with `test_loss`, the mean cross-entropy in nats; `test_accuracy` and
        `test_top5_accuracy`, the shares of images whose class is the first, and among the first
        five (of less than six classes: 1); and `test_class_accuracies`, of each class's images,
        None where there are none.
    """
    losses, ranks, classes = [], [], []
    for batch in batches:
        labels, logits = batch["labels"], tf.cast(classify(batch["images"]), tf.float32)
        own = tf.gather(logits, labels, batch_dims=1)[:, tf.newaxis]
        losses.append(cross_entropies(labels, logits).numpy())
        # Of a constant or a NaN output no class is ahead of the others.
        ahead = tf.reduce_sum(tf.cast(~(logits < own), tf.int32), 1) - 1
        ranks.append(ahead.numpy())
        classes.append(labels.numpy())
        count = logits.shape[1]
    losses, ranks, classes = map(np.concatenate, (losses, ranks, classes))
    right = ranks == 0
    return {
        "test_loss": float(losses.mean(dtype=np.float64)),
        "test_accuracy": float(right.mean()),
        "test_top5_accuracy": float((ranks < 5).mean()),
        "test_class_accuracies": [
            float(right[classes == label].mean()) if (classes == label).any() else None
            for label in range(count)
        ],
    }


def describe(result):
    """Says an evaluation, a result of `measure`, in a line, by the names of `metrics.jsonl`."""
    names = ("test_accuracy", "test_top5_accuracy", "test_loss")
    return ", ".join(f"{name} {result[name]:.4f}" for name in names)
