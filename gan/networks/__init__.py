"""The supplement's generators and discriminators."""

from gan.networks.dcgan import VARIANTS, discriminator, generator

__all__ = ["VARIANTS", "discriminator", "generator"]
