"""The supplement's generators and discriminators."""

from gan.networks import dcgan

# Modules with `generator`, `discriminator`, and `check`, which refuses what they cannot build.
ARCHITECTURES = {"dcgan": dcgan}
