"""Adversarial losses by name, tensorflow-gan's.

A loss takes logits (n, 1) and is a mean over the samples.
"""

import functools
import typing

from gan.tfgan import tfgan

_losses = tfgan.losses.wargs


class Loss(typing.NamedTuple):
    """`discriminator(real_logits, generated_logits)` and `generator(generated_logits)`."""

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
}
