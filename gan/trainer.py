"""Training steps of a GAN on any tf.distribute strategy."""

import keras
import numpy as np
import tensorflow as tf

from gan import networks
from gan.latents import evaluation_samples, latents, uniforms
from gan.losses import LOSSES, class_loss
from gan.models import make_discriminator, make_generator, num_classes
from gan.penalties import PENALTIES, gradient_penalty
from harness.errors import UserError
from harness.run.checkpoints import read_weights

# Weights of the AC-GAN's cross-entropy, of real images for the discriminator, and of generated
# ones for the generator, as its authors have them.
_CLASS_WEIGHTS = (1.0, 0.1)


class Trainer:
    """The networks and their optimizers, to take training steps and to sample from.

    All random numbers are functions of the seed and the step, and of the sample's place in the
    global batch: a run that goes on from a checkpoint, or on another number of replicas, sees the
    same ones.

    Args:
        config: a `config.Config`.
        kind: channels and classes of the images, a `datasets.ImageKind`.
        strategy: a `tf.distribute` strategy.

    Attributes:
        label_shares: the chance of each class in `samples`; None: all have the same.

    Raises:
        ValueError: the configuration asks for a network that there is not.
    """

    label_shares = None

    def __init__(self, config, kind, strategy):
        self.config = config
        self.strategy = strategy
        self._loss = LOSSES[config.loss]
        self._penalty_points = PENALTIES[config.gradient_penalty]
        self.num_classes = num_classes(config, kind)
        replicas = strategy.num_replicas_in_sync
        if config.batch_size % replicas:
            raise ValueError(
                f"`batch_size` must be a multiple of {replicas}, the devices that share a batch. "
                f"Received: batch_size={config.batch_size}"
            )
        with strategy.scope():
            self.generator = make_generator(config, kind)
            self.discriminator = make_discriminator(config, kind)
            self.average = None
            if config.ema_decay:
                self.average = make_generator(config, kind)
                self.average.set_weights(self.generator.get_weights())
            self.generator_optimizer = self._adam(config.steps)
            self.discriminator_optimizer = self._adam(config.steps * config.n_dis)
            self.generator_optimizer.build(self.generator.trainable_variables)
            self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def state(self):
        """The objects that a checkpoint has to keep, by name."""
        state = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
        return state if self.average is None else state | {"average": self.average}

    @property
    def models(self):
        """The networks that are trained."""
        return self.generator, self.discriminator

    @property
    def learning_rate(self):
        """That of the next step."""
        return float(self.generator_optimizer.learning_rate)

    @property
    def sampler(self):
        """The generator to sample from: that of averaged weights, if there is one."""
        return self.generator if self.average is None else self.average

    def start_from(self, run_dir):
        """Takes the weights of another run, of its newest checkpoint, and returns the step of it.

        The average of weights begins with that of the other run, or its weights if it has none.

        Raises:
            UserError: there is none, or its networks are others.
        """
        models = {"generator": self.generator, "discriminator": self.discriminator}
        step = read_weights(run_dir, **models)
        if self.average is not None:
            try:
                read_weights(run_dir, average=self.average)
            except UserError:
                self.average.set_weights(self.generator.get_weights())
        return step

    def is_finite(self):
        """Tells whether all weights are finite: a step's losses are from before its updates."""
        weights = self.generator.weights + self.discriminator.weights
        return all(bool(tf.reduce_all(tf.math.is_finite(weight))) for weight in weights)

    def step(self, step, batch):
        """Updates the discriminator `n_dis` times and then the generator once.

        Args:
            step: steps that were taken before.
            batch: dict with `images`, of each replica (n_dis, batch, h, w, channels) in [-1, 1],
                and `labels`, (n_dis, batch), if the networks are conditional.

        Returns:
            dict of the losses, scalars; the discriminator's is that of its last update.
        """
        labels = None if self.num_classes is None else batch["labels"]
        # Not of a number of Python's: TensorFlow keeps a tensor of each until the process ends.
        step = tf.constant(np.asarray(step, np.int64))
        return self._step(step, batch["images"], labels)

    def samples(self, count, batch_size=200):
        """Yields `count` images in [-1, 1], the same each time, in batches (n, h, w, channels)."""
        size, classes = self._latent_size, self.num_classes
        return evaluation_samples(
            self._generate, self.config.seed, size, count, batch_size, classes, self.label_shares
        )

    def fixed_samples(self, count=64):
        """Generates images (count, h, w, channels) of fixed latents, of the classes in turn."""
        inputs = [latents(self.config.seed, "fixed", 0, count, self._latent_size)]
        if self.num_classes is not None:
            inputs.append(tf.range(count) % self.num_classes)
        return self._generate(*inputs).numpy()

    @tf.function(autograph=False)
    def _step(self, step, images, labels):
        losses = self.strategy.run(self._replica_step, (step, images, labels))
        if self.average is not None:
            decay = self.config.ema_decay
            for mean, weight in zip(self.average.weights, self.generator.weights, strict=True):
                mean.assign(decay * mean + (1.0 - decay) * weight)
        return {
            name: self.strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None)
            for name, loss in losses.items()
        }

    def _replica_step(self, step, images, labels):
        config = self.config
        first = step * (config.n_dis + 1)
        real_labels = None
        for update in range(config.n_dis):
            real_labels = None if labels is None else labels[update]
            discriminator_loss = self._update_discriminator(
                images[update], real_labels, first + update
            )
        generated_labels = None
        if real_labels is not None:  # generated images are of the last real ones' classes
            generated_labels = tf.tile(real_labels, [config.generator_batch_multiple])
        generator_loss = self._update_generator(generated_labels, first + config.n_dis)
        return {"discriminator_loss": discriminator_loss, "generator_loss": generator_loss}

    def _update_discriminator(self, real, labels, index):
        latent = self._latent(index, self.config.batch_size)
        # The generator's batch statistics are used here, and followed in its own updates only.
        with keras.StatelessScope():
            generated = self._generated(latent, labels)
        with tf.GradientTape() as tape:
            real_logits, classes = self._discriminate(real, labels)
            generated_logits, _ = self._discriminate(generated, labels)
            loss = self._loss.discriminator(real_logits, generated_logits)
            if classes is not None:
                loss += _CLASS_WEIGHTS[0] * class_loss(classes, labels)
            if self._penalty_points is not None:
                loss += self._penalty(real, generated, labels, index)
            loss = loss / self.strategy.num_replicas_in_sync  # optimizers sum over replicas
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(_gradient(tape, loss, variables), variables)
        return loss

    def _update_generator(self, labels, index):
        latent = self._latent(index, self.config.batch_size * self.config.generator_batch_multiple)
        with tf.GradientTape() as tape:
            generated = self._generated(latent, labels)
            # Likewise spectral normalization's vectors, in the discriminator's updates only.
            with keras.StatelessScope():
                logits, classes = self._discriminate(generated, labels)
            loss = self._loss.generator(logits)
            if classes is not None:
                loss += _CLASS_WEIGHTS[1] * class_loss(classes, labels)
            loss = loss / self.strategy.num_replicas_in_sync
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(_gradient(tape, loss, variables), variables)
        return loss

    def _penalty(self, real, generated, labels, index):
        height, width, channels = real.shape[1:]
        shape = [self.config.batch_size, height, width, channels + 1]
        uniform = self._share(uniforms(self.config.seed, "penalty", index, shape))
        points = self._penalty_points(real, generated, uniform)
        # The discriminator as it is: its state follows images, not points in between.
        with keras.StatelessScope():
            penalty = gradient_penalty(lambda x: self._discriminate(x, labels)[0], points)
        return self.config.gradient_penalty_weight * penalty

    def _generated(self, latent, labels):
        return self.generator(_one_or_list([latent, labels]), training=True)

    def _discriminate(self, images, labels):
        """Computes logits (n, 1), and class logits (n, classes) of an AC-GAN, else None."""
        projected = labels if self.config.conditional == "projection" else None
        outputs = self.discriminator(_one_or_list([images, projected]), training=True)
        return outputs if self.config.conditional == "acgan" else (outputs, None)

    def _latent(self, index, count):
        """Draws this replica's share (n, 128) of the latents of a global batch of `count`."""
        return self._share(latents(self.config.seed, "training", index, count, self._latent_size))

    def _share(self, numbers):
        """Cuts this replica's run out of numbers (global batch, ...), as it has one of images."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        count = numbers.shape[0] // self.strategy.num_replicas_in_sync
        return numbers[replica * count : (replica + 1) * count]

    @property
    def _latent_size(self):
        return networks.LATENT_SIZE

    @tf.function(autograph=False)
    def _generate(self, *inputs):
        return self.sampler(_one_or_list(inputs), training=False)

    def _adam(self, steps):
        config = self.config
        return keras.optimizers.Adam(
            keras.optimizers.schedules.PolynomialDecay(config.learning_rate, steps, 0.0),
            beta_1=config.beta1,
            beta_2=config.beta2,
        )


def _one_or_list(inputs):
    """Gives the inputs that there are as a Keras model takes them: in a list if several."""
    given = [value for value in inputs if value is not None]
    return given[0] if len(given) == 1 else given


def _gradient(tape, loss, variables):
    # Dense: of repeated rows of a sparse one Keras' Adam adds the squares, not the values.
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return [tf.convert_to_tensor(gradient) for gradient in gradients]
