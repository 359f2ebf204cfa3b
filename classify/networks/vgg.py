"""The VGG for CIFAR-10: the table's rows, and the fold that builds them.

Reference: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015, https://arxiv.org/abs/1409.1556, table 1, configuration E, as released by
Huang et al., "An Investigation into the Stochasticity of Batch Whitening", CVPR 2020,
https://arxiv.org/abs/2003.12327: each convolution has a bias and is normalised, the last pool takes
averages and there is one dense layer.
"""

import keras

from classify.networks import arguments
from classify.networks.initial import kaiming

# By depth, which counts the convolutions and the three dense layers of the original: the widths of
# stages of 3x3 convolutions as multiples of the first's. A 2x2 pool is after each stage.
STAGES = {
    19: ((1, 1), (2, 2), (4, 4, 4, 4), (8, 8, 8, 8), (8, 8, 8, 8)),
}


def classifier(norm, *, shape=(32, 32, 3), num_classes=10, depth=19, width=64):
    """Builds the network: images (n, h, w, channels) to logits (n, num_classes).

    Args:
        norm: factory of normalizations, `norm(name) -> f(x)`: "stage_1_norm_1" and so on, one after
            each convolution.
        shape: of an image, (h, w, channels). 32 x 32 pixels, the paper's, are the least, of which
            the pools leave one. What they leave of more is flattened.
        num_classes: number of classes.
        depth: a key of `STAGES`.
        width: channels of the first stage; the last has eight times it.

    Returns:
        A Keras model.
    """
    check(shape=shape, num_classes=num_classes, depth=depth, width=width)
    image = keras.Input(shape, name="image")
    x = image
    pools = [keras.layers.MaxPooling2D] * 4 + [keras.layers.AveragePooling2D]
    for i, (stage, pool) in enumerate(zip(STAGES[depth], pools, strict=True), start=1):
        for j, multiple in enumerate(stage, start=1):
            x = keras.layers.Conv2D(
                width * multiple,
                3,
                padding="same",
                kernel_initializer=kaiming(),
                name=f"stage_{i}_conv_{j}",
            )(x)
            x = keras.layers.ReLU(name=f"stage_{i}_relu_{j}")(norm(f"stage_{i}_norm_{j}")(x))
        x = pool(2, name=f"stage_{i}_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(
        num_classes, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), name="logits"
    )(x)
    return keras.Model(image, x, name=f"vgg_{depth}")


def check(*, shape=(32, 32, 3), num_classes=10, depth=19, width=64):
    """Raises `ValueError` if there is no such network: see `classifier`."""
    if depth not in STAGES:
        raise ValueError(f"`depth` must be one of {sorted(STAGES)}. Received: depth={depth!r}")
    arguments.check(shape, num_classes, depth, width, smallest=2 ** len(STAGES[depth]))
