"""The large DCGAN of Table VIII: the table's rows, which `dcgan` builds.

Reference: Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
https://arxiv.org/abs/2003.12327, supplement, section C.2.2.
"""

import functools

from gan.networks import dcgan
from gan.networks.arguments import VARIANTS
from gan.networks.dcgan import TableRow

# Table VIII (a): dense 4 x 4 x 512, then these, then 3x3 to the image and tanh.
GENERATOR = (
    TableRow(4, 2, 512),
    TableRow(4, 2, 256),
    TableRow(4, 2, 128),
)

# Table VIII (b): these, then dense to 1. The authors released what they printed.
DISCRIMINATOR = (
    TableRow(3, 1, 64),
    TableRow(4, 2, 128),
    TableRow(3, 1, 128),
    TableRow(4, 2, 256),
    TableRow(3, 1, 256),
    TableRow(4, 2, 512),
    TableRow(3, 1, 512),
)

TABLE = dcgan.Table(GENERATOR, dict.fromkeys(VARIANTS, DISCRIMINATOR))

# See those of `dcgan`.
generator = functools.partial(dcgan.generator, table=TABLE)
discriminator = functools.partial(dcgan.discriminator, table=TABLE)
check = functools.partial(dcgan.check, table=TABLE)
