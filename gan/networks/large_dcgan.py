"""The large DCGAN of Table VIII: the table's rows, which `dcgan` builds.

Reference: Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
supplement, section C.2.2.
"""

import functools

from gan.networks import dcgan
from gan.networks.dcgan import Conv
from gan.networks.images import VARIANTS

# Table VIII (a): dense 4 x 4 x 512, then these, then 3x3 to the image and tanh.
GENERATOR = (
    Conv(4, 2, 512),
    Conv(4, 2, 256),
    Conv(4, 2, 128),
)

# Table VIII (b): these, then dense to 1. The authors released what they printed.
DISCRIMINATOR = (
    Conv(3, 1, 64),
    Conv(4, 2, 128),
    Conv(3, 1, 128),
    Conv(4, 2, 256),
    Conv(3, 1, 256),
    Conv(4, 2, 512),
    Conv(3, 1, 512),
)

TABLE = dcgan.Table(GENERATOR, dict.fromkeys(VARIANTS, DISCRIMINATOR))

# See those of `dcgan`.
generator = functools.partial(dcgan.generator, table=TABLE)
discriminator = functools.partial(dcgan.discriminator, table=TABLE)
check = functools.partial(dcgan.check, table=TABLE)
