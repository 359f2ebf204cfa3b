"""The multilayer perceptron for MNIST.

Reference: Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
https://arxiv.org/abs/2003.12327, as released, with PyTorch's initial weights.
"""

import keras

from classify.networks import arguments
from classify.networks.initial import dense


def classifier(norm, *, shape=(28, 28, 1), num_classes=10, depth=4, width=256, linear=False):
    """Builds the network: images (n, h, w, channels) to logits (n, num_classes).

    Args:
        norm: factory of normalizations, `norm(name) -> f(x)`: "norm_1" and so on, one after each
            dense layer but the last. The paper's neither scale nor shift.
        shape: of an image, (h, w, channels).
        num_classes: number of classes.
        depth: number of dense layers that are normalised and rectified; one more gives the logits.
        width: values that each of those puts out.
        linear: whether a dense layer of the same width follows each normalization.

    Returns:
        A Keras model.
    """
    check(shape=shape, num_classes=num_classes, depth=depth, width=width, linear=linear)
    image = keras.Input(shape, name="image")
    x = keras.layers.Flatten(name="flatten")(image)
    for i in range(1, depth + 1):
        x = norm(f"norm_{i}")(dense(x, width, f"dense_{i}"))
        x = dense(x, width, f"linear_{i}") if linear else x
        x = keras.layers.ReLU(name=f"relu_{i}")(x)
    return keras.Model(image, dense(x, num_classes, "logits"), name=f"mlp_{depth}")


def check(*, shape=(28, 28, 1), num_classes=10, depth=4, width=256, linear=False):
    """Raises `ValueError` if there is no such network: see `classifier`."""
    arguments.check(shape, num_classes, depth, width)
