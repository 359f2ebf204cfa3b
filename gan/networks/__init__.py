"""The supplement's generators and discriminators."""

from gan.networks import dcgan, large_dcgan, resnet
from gan.networks.arguments import START, VARIANTS
from gan.networks.heads import HEADS, LATENT_SIZE

# Modules with `generator`, `discriminator`, and `check`, which refuses what they cannot build.
ARCHITECTURES = {
    "dcgan": dcgan,  # Table VII
    "large_dcgan": large_dcgan,  # Table VIII
    "resnet": resnet,  # Table IX
}

# What a discriminator does with labels.
CONDITIONALS = tuple(HEADS)

IMAGE_SIZES = tuple(START)

__all__ = ["ARCHITECTURES", "CONDITIONALS", "IMAGE_SIZES", "LATENT_SIZE", "VARIANTS"]
