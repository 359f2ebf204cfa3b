"""The generator and the discriminator that a configuration asks for."""

import dataclasses

from gan import networks
from harness.norms import norm_factory


def make_generator(config, kind):
    """The generator, a Keras model: latent (n, 128), and labels (n,) if there are, to images.

    Args:
        config: a `config.Config`.
        kind: channels and classes of the images, a `datasets.ImageKind`.

    Raises:
        ValueError: there is no such network.
    """
    shared = {
        "num_classes": num_classes(config, kind),
        "spectral": config.generator_spectral,
    }
    norm = norm_factory(config, rank=config.coloring_rank, **shared)
    return networks.ARCHITECTURES[config.arch].generator(
        norm, filters=config.generator_filters, **shared, **_images(config, kind)
    )


def make_discriminator(config, kind):
    """The discriminator, a Keras model: see `networks.heads.discriminator`; as `make_generator`."""
    norm = None
    if config.discriminator_norm != "none":
        # The recovery is the generator's, and so is the estimate: a discriminator infers nothing.
        changes = {"recovery": "scale_shift", "estimate": "covariance"}
        norm = norm_factory(dataclasses.replace(config, norm=config.discriminator_norm, **changes))
    return networks.ARCHITECTURES[config.arch].discriminator(
        norm=norm,
        filters=config.discriminator_filters,
        num_classes=num_classes(config, kind),
        conditional=config.conditional,
        spectral=config.discriminator_spectral,
        **_images(config, kind),
    )


def num_classes(config, kind):
    """Number of classes that the networks know of, or None."""
    return None if config.conditional == "none" else kind.num_classes


def _images(config, kind):
    return {
        "image_size": config.image_size,
        "channels": kind.channels,
        "variant": config.variant,
    }
