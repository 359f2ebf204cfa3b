"""Weights that a layer has one of for each block of channel groups, and their names.

`groups.blocks` cuts channels into a run of equal groups and, where they do not come out even, a
smaller last group. The weight of the first is named, say, `kernel`, and that of the last group
`kernel_last`.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import keras

Block = TypeVar("Block")


def block_names(name: str) -> tuple[str, str]:
    """Names the weights of the first block and of a smaller last group."""
    return name, f"{name}_last"


class BlockWeights:
    """A layer, or a part of one, with a weight for each block."""

    def add_block_weights(
        self, name: str, blocks: Sequence[Block], add: Callable[[str, Block], keras.Variable]
    ) -> None:
        """Adds a weight for each block, as the attributes `name` and `name_last`.

        Attributes, not a list, since a checkpoint finds a weight by the attribute that it is.

        Args:
            name: of the first weight.
            blocks: what the weights are made for, one or two.
            add: adds a weight to the layer, from its name and its block, and returns it.
        """
        names = block_names(name)[: len(blocks)]
        for weight_name, block in zip(names, blocks, strict=True):
            setattr(self, weight_name, add(weight_name, block))

    def block_weights(self, name: str) -> list[keras.Variable]:
        """Lists the weights that were added under a name, one for each block."""
        names = block_names(name)
        return [getattr(self, weight) for weight in names if hasattr(self, weight)]
