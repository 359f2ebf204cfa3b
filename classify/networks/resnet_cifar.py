"""The pre-activation ResNets for CIFAR: stages of blocks, and the fold that builds them.

Reference: He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016,
https://arxiv.org/abs/1603.05027, as released by Huang and Yu, "An Internal Covariate Shift Bounding
Algorithm for Deep Neural Networks by Unitizing Layers' Outputs", CVPR 2020,
https://openaccess.thecvf.com/content_CVPR_2020/html/Huang_An_Internal_Covariate_Shift_Bounding_Algorithm_for_Deep_Neural_Networks_CVPR_2020_paper.html

In that release convolutions have biases, shortcuts are 1x1 convolutions of a block's input as it
is, and the first block normalises and rectifies what the stem has already normalised and rectified.
Convolutions of stride 2 pad as TensorFlow does, below and to the right. The depth n of a ResNet-n
counts the convolutions of the path and the dense layer.
"""

import typing

import keras

from classify.networks import arguments
from classify.networks.residual import BASIC, BOTTLENECK


class Stage(typing.NamedTuple):
    """The stride of a stage's first block, and the stage's width as a multiple of the stem's."""

    stride: int
    multiple: int


STAGES = (
    Stage(1, 1),
    Stage(2, 2),
    Stage(2, 4),
)


def classifier(norm, *, shape=(32, 32, 3), num_classes=10, depth=110, width=16, bottleneck=False):
    """Builds the network: images (n, h, w, channels) to logits (n, num_classes).

    Args:
        norm: factory of normalizations, `norm(name) -> f(x)`: "stem_norm", then
            "stage_1_block_1_norm_1" and so on, one before each convolution of a block, and "norm".
        shape: of an image, (h, w, channels).
        num_classes: number of classes.
        depth: 6n + 2 for n blocks a stage, or 9n + 2 with bottlenecks: 110 and 164 are the paper's.
            What it calls ResNet-18, with three blocks a stage, is of depth 20.
        width: channels of the stem and the first stage; the others have twice and four times it.
        bottleneck: whether a block is 1x1, 3x3 and 1x1 convolutions, the last four times as wide,
            or two 3x3 ones.

    Returns:
        A Keras model.
    """
    check(shape=shape, num_classes=num_classes, depth=depth, width=width, bottleneck=bottleneck)
    convs = BOTTLENECK if bottleneck else BASIC
    image = keras.Input(shape, name="image")
    x = _rectify(norm("stem_norm")(_conv(image, 3, width, 1, "stem")), "stem_relu")
    for i, stage in enumerate(STAGES):
        for j in range(_blocks(depth, convs)):
            name = f"stage_{i + 1}_block_{j + 1}"
            x = _block(x, convs, width * stage.multiple, 1 if j else stage.stride, name, norm)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(_rectify(norm("norm")(x), "relu"))
    x = keras.layers.Dense(num_classes, kernel_initializer="he_normal", name="logits")(x)
    return keras.Model(image, x, name=f"resnet_{depth}")


def check(*, shape=(32, 32, 3), num_classes=10, depth=110, width=16, bottleneck=False):
    """Raises `ValueError` if there is no such network: see `classifier`."""
    arguments.check(shape, num_classes, depth, width)
    layers = 3 * len(BOTTLENECK if bottleneck else BASIC)
    if depth <= 2 or (depth - 2) % layers:
        raise ValueError(
            f"`depth` must be {layers}n + 2 {'with' if bottleneck else 'without'} bottlenecks, "
            f"{layers + 2} or more. Received: depth={depth}, bottleneck={bottleneck}"
        )


def _blocks(depth, convs):
    return (depth - 2) // (len(STAGES) * len(convs))


def _block(x, convs, width, stride, name, norm):
    """Builds `path + shortcut` of x (n, h, w, channels), not normalised for the shortcut.

    The first convolution has the block's stride. The shortcut is the input itself where its shape
    stays; else a 1x1 convolution of it.
    """
    path = x
    for i, row in enumerate(convs):
        path = _rectify(norm(f"{name}_norm_{i + 1}")(path), f"{name}_relu_{i + 1}")
        path = _conv(
            path, row.kernel, width * row.multiple, 1 if i else stride, f"{name}_conv_{i + 1}"
        )
    if stride != 1 or x.shape[-1] != path.shape[-1]:
        x = _conv(x, 1, path.shape[-1], stride, f"{name}_shortcut")
    return keras.layers.Add(name=name)([path, x])


def _conv(x, kernel, width, stride, name):
    return keras.layers.Conv2D(
        width, kernel, stride, padding="same", kernel_initializer="he_normal", name=name
    )(x)


def _rectify(x, name):
    return keras.layers.ReLU(name=name)(x)
