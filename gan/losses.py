"""Adversarial losses by name, tensorflow-gan's.

A loss takes logits (n, 1) and is a mean over the samples, a scalar.
"""

import functools
import typing

import tensorflow as tf

from gan.tfgan import tfgan

_losses = tfgan.losses.wargs


class Loss(typing.NamedTuple):
    """The losses of both networks.

    Attributes:
        discriminator: function of the logits of real and of generated images.
        generator: function of the logits of generated images.
    """

    discriminator: typing.Callable
    generator: typing.Callable


LOSSES = {
    # mean(max(0, 1 - real)) + mean(max(0, 1 + generated)); -mean(generated).
    "hinge": Loss(
        _losses.wasserstein_hinge_discriminator_loss, _losses.wasserstein_hinge_generator_loss
    ),
    # Cross-entropy; the generator's labels turned round. tensorflow-gan would smooth the labels.
    "non_saturating": Loss(
        functools.partial(_losses.modified_discriminator_loss, label_smoothing=0.0),
        _losses.modified_generator_loss,
    ),
    # mean((real - 1)^2) + mean(generated^2); mean((generated - 1)^2). tensorflow-gan halves them.
    "least_squares": Loss(
        functools.partial(
            _losses.least_squares_discriminator_loss, real_weights=2.0, generated_weights=2.0
        ),
        functools.partial(_losses.least_squares_generator_loss, weights=2.0),
    ),
    # mean(generated) - mean(real); -mean(generated).
    "wasserstein": Loss(_losses.wasserstein_discriminator_loss, _losses.wasserstein_generator_loss),
}


def class_loss(logits, labels):
    """Computes the cross-entropy in nats of class logits (n, classes) with labels (n,), a mean."""
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )
