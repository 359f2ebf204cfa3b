"""What a tensor's shape must say when a function of it is traced."""

import tensorflow as tf


def known_size(x: tf.Tensor, axis: int = -1) -> int:
    """Reads the size of an axis that no function here can leave open, as the channels' is.

    Raises:
        ValueError: it is not known.
    """
    size = x.shape[axis]
    if size is None:
        raise ValueError(
            f"The size of this axis must be known. Received: axis={axis}, shape={x.shape}"
        )
    return size
