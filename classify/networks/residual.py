"""The residual blocks that both families of ResNets are made of, as rows of their convolutions.

Reference: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016,
https://arxiv.org/abs/1512.03385, figure 5.
"""

import typing


class BlockConv(typing.NamedTuple):
    """A convolution of a block: its square kernel, and its width as a multiple of the stage's."""

    kernel: int
    multiple: int


BASIC = (BlockConv(3, 1), BlockConv(3, 1))
BOTTLENECK = (BlockConv(1, 1), BlockConv(3, 1), BlockConv(1, 4))
