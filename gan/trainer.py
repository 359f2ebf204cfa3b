"""Training steps of a GAN on any tf.distribute strategy."""

import keras
import tensorflow as tf

from gan import networks
from gan.latents import evaluation_samples, latents
from gan.losses import LOSSES
from tfnorm.layers.by_name import norm_factory


class Trainer:
    """The networks, their optimizers and what is done with them.

    Every random number is a function of the seed and the step, and of the sample's place in the
    global batch: a run that goes on from a checkpoint, or on another number of replicas, sees the
    same ones.

    Args:
        config: a `presets.Config`.
        channels: of the images.
        strategy: a `tf.distribute` strategy.

    Raises:
        ValueError: the configuration asks for a network that there is not.
    """

    def __init__(self, config, channels, strategy):
        self.config = config
        self.strategy = strategy
        self._loss = LOSSES[config.loss]
        replicas = strategy.num_replicas_in_sync
        if config.batch_size % replicas:
            raise ValueError(
                f"`batch_size` must be a multiple of the {replicas} replicas. "
                f"Received: batch_size={config.batch_size}"
            )
        arch = networks.ARCHITECTURES[config.arch]
        keras.utils.set_random_seed(config.seed)
        shared = {
            "image_size": config.image_size,
            "channels": channels,
            "variant": config.variant,
        }
        norm = norm_factory(
            config.norm,
            config.recovery,
            group_size=config.group_size,
            iterations=config.iterations,
            estimate=config.estimate,
            epsilon=config.epsilon,
            momentum=config.norm_momentum,
            device=config.device,
            synchronized=config.synchronized,
        )
        with strategy.scope():
            self.generator = arch.generator(norm, filters=config.generator_filters, **shared)
            self.discriminator = arch.discriminator(filters=config.discriminator_filters, **shared)
            self.generator_optimizer = self._adam(config.steps)
            self.discriminator_optimizer = self._adam(config.steps * config.n_dis)
            self.generator_optimizer.build(self.generator.trainable_variables)
            self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def state(self):
        """What a checkpoint has to keep, by name."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def is_finite(self):
        """Whether all weights are finite: the losses of a step are from before its updates."""
        weights = self.generator.weights + self.discriminator.weights
        return all(bool(tf.reduce_all(tf.math.is_finite(weight))) for weight in weights)

    def step(self, step, batch):
        """Updates the discriminator `n_dis` times and then the generator once.

        Args:
            step: steps that were taken before.
            batch: dict with `images`, of each replica (n_dis, batch, h, w, channels) in [-1, 1].

        Returns:
            dict of the losses, scalars; the discriminator's is that of its last update.
        """
        return self._step(tf.constant(step, tf.int64), batch["images"])

    def samples(self, count, batch_size=200):
        """Batches of images (n, h, w, channels) in [-1, 1], `count` in all, the same each time."""
        return evaluation_samples(
            self._generate, self.config.seed, self._latent_size, count, batch_size
        )

    def fixed_samples(self, count=64):
        """Images (count, h, w, channels) of the same latents each time."""
        return self._generate(
            latents(self.config.seed, "fixed", 0, count, self._latent_size)
        ).numpy()

    def export(self, path):
        """Writes the generator as a SavedModel: latent (n, 128) to images in [-1, 1]."""
        archive = keras.export.ExportArchive()
        archive.track(self.generator)
        archive.add_endpoint(
            "serve",
            lambda latent: {"images": self.generator(latent, training=False)},
            input_signature=[tf.TensorSpec(self.generator.input_shape, name="latent")],
        )
        archive.write_out(str(path), verbose=False)

    @tf.function
    def _step(self, step, images):
        losses = self.strategy.run(self._replica_step, (step, images))
        return {
            name: self.strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None)
            for name, loss in losses.items()
        }

    def _replica_step(self, step, images):
        config = self.config
        first = step * (config.n_dis + 1)
        for update in range(config.n_dis):
            latent = self._replica_latent(first + update, config.batch_size)
            discriminator_loss = self._update_discriminator(images[update], latent)
        latent = self._replica_latent(
            first + config.n_dis, config.batch_size * config.generator_batch_multiple
        )
        generator_loss = self._update_generator(latent)
        return {"discriminator_loss": discriminator_loss, "generator_loss": generator_loss}

    def _update_discriminator(self, real, latent):
        # The generator's batch statistics are used here, and followed in its own updates only.
        with keras.StatelessScope():
            generated = self.generator(latent, training=True)
        with tf.GradientTape() as tape:
            loss = self._loss.discriminator(
                self.discriminator(real, training=True),
                self.discriminator(generated, training=True),
            )
            loss = loss / self.strategy.num_replicas_in_sync  # optimizers sum over replicas
        variables = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(_gradient(tape, loss, variables), variables)
        return loss

    def _update_generator(self, latent):
        with tf.GradientTape() as tape:
            generated = self.generator(latent, training=True)
            # Likewise spectral normalization's vectors, in the discriminator's updates only.
            with keras.StatelessScope():
                logits = self.discriminator(generated, training=True)
            loss = self._loss.generator(logits) / self.strategy.num_replicas_in_sync
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(_gradient(tape, loss, variables), variables)
        return loss

    def _replica_latent(self, index, count):
        """This replica's share of the global batch's latents."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        share = count // self.strategy.num_replicas_in_sync
        latent = latents(self.config.seed, "training", index, count, self._latent_size)
        return tf.reshape(latent, [-1, share, latent.shape[-1]])[replica]

    @property
    def _latent_size(self):
        return self.generator.input_shape[-1]

    @tf.function
    def _generate(self, latent):
        return self.generator(latent, training=False)

    def _adam(self, steps):
        config = self.config
        return keras.optimizers.Adam(
            keras.optimizers.schedules.PolynomialDecay(config.learning_rate, steps, 0.0),
            beta_1=config.beta1,
            beta_2=config.beta2,
        )


def _gradient(tape, loss, variables):
    return tape.gradient(loss, [variable.value for variable in variables])
