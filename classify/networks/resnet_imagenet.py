"""The ResNets for ImageNet: stages of blocks, the fold that builds them, and where they whiten.

Reference: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016,
https://arxiv.org/abs/1512.03385, table 1, as in torchvision: a bottleneck's stride is its 3x3
convolution's, padding is the same on all sides, and a convolution has no bias. Initial weights, the
layer before the dense one and what is whitened follow Huang et al., "An Investigation into the
Stochasticity of Batch Whitening", CVPR 2020, https://arxiv.org/abs/2003.12327, as released.
"""

import typing

import keras

from classify.networks import arguments, residual
from classify.networks.initial import dense, kaiming
from classify.networks.residual import BlockConv


class BlockKind(typing.NamedTuple):
    """The convolutions of a block, and which is its middle one.

    `middle` is the convolution, counted from one, that has the block's stride, and whose
    normalization is whitened where one in each block is.
    """

    convs: tuple[BlockConv, ...]
    middle: int


BASIC = BlockKind(residual.BASIC, middle=1)
BOTTLENECK = BlockKind(residual.BOTTLENECK, middle=2)

# By depth: the kind of block, and how many are in each stage.
BLOCKS = {
    18: (BASIC, (2, 2, 2, 2)),
    50: (BOTTLENECK, (3, 4, 6, 3)),
}


class Arc(typing.NamedTuple):
    """The places that an architecture of the paper whitens beside the stem, which all do.

    `blocks`: in each block. `last`: before the dense layer, with the argument of that name.
    """

    blocks: bool
    last: bool


ARCS = {
    "arc_a": Arc(blocks=False, last=False),
    "arc_b": Arc(blocks=False, last=True),
    "arc_c": Arc(blocks=True, last=True),
    "arc_c_no_last": Arc(blocks=True, last=False),  # as the authors' scripts have CD
}


def classifier(norm, *, shape=(224, 224, 3), num_classes=1000, depth=50, width=64, last=False):
    """Builds the network: images (n, h, w, channels) to logits (n, num_classes).

    Args:
        norm: factory of normalizations, `norm(name) -> f(x)`: "stem_norm", then
            "stage_1_block_1_norm_1" and so on, one after each convolution of a block, with
            "stage_1_block_1_shortcut_norm" where the shortcut is one, and "last_norm".
        shape: of an image, (h, w, channels).
        num_classes: number of classes.
        depth: a key of `BLOCKS`.
        width: channels of the stem and the first stage; the last has eight times it.
        last: whether there is a normalization between the pool and the dense layer, the paper's
            "DF" layer.

    Returns:
        A Keras model.
    """
    check(shape=shape, num_classes=num_classes, depth=depth, width=width, last=last)
    kind, _ = BLOCKS[depth]
    image = keras.Input(shape, name="image")
    x = norm("stem_norm")(_conv(image, 7, width, 2, "stem"))
    x = keras.layers.ReLU(name="stem_relu")(x)
    # torch pads with what is below all values; after a ReLU zeros do the same.
    x = keras.layers.ZeroPadding2D(1, name="stem_pool_padding")(x)
    x = keras.layers.MaxPooling2D(3, 2, name="stem_pool")(x)
    for stage, block in _rows(depth):
        stride = 2 if stage > 1 and block == 1 else 1
        x = _block(x, kind, width * 2 ** (stage - 1), stride, _name(stage, block), norm)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = norm("last_norm")(x) if last else x
    return keras.Model(image, dense(x, num_classes, "logits"), name=f"resnet_{depth}")


def check(*, shape=(224, 224, 3), num_classes=1000, depth=50, width=64, last=False):
    """Raises `ValueError` if there is no such network: see `classifier`."""
    arguments.check(shape, num_classes, depth, width)
    _check_depth(depth)


def whitened_sites(arc, depth):
    """Lists the names of the sites that an architecture of the paper whitens; others have BN.

    Args:
        arc: a key of `ARCS`, which also says whether the network has the `last`.
        depth: a key of `BLOCKS`.

    Returns:
        The names, in the order of the network.
    """
    if arc not in ARCS:
        raise ValueError(f"`arc` must be one of {sorted(ARCS)}. Received: arc={arc!r}")
    _check_depth(depth)
    kind, _ = BLOCKS[depth]
    names = ["stem_norm"]
    if ARCS[arc].blocks:
        names += [f"{_name(*row)}_norm_{kind.middle}" for row in _rows(depth)]
    if ARCS[arc].last:
        names.append("last_norm")
    return names


def _check_depth(depth):
    if depth not in BLOCKS:
        raise ValueError(f"`depth` must be one of {sorted(BLOCKS)}. Received: depth={depth!r}")


def _rows(depth):
    """Lists (stage, block) of each block, both counted from one."""
    _, counts = BLOCKS[depth]
    return [(i, j) for i, count in enumerate(counts, start=1) for j in range(1, count + 1)]


def _name(stage, block):
    return f"stage_{stage}_block_{block}"


def _block(x, kind, width, stride, name, norm):
    """Builds `ReLU(path + shortcut)` of x (n, h, w, channels), each convolution normalised.

    The shortcut is the input itself where its shape stays; else a 1x1 convolution of it.
    """
    path = x
    for i, row in enumerate(kind.convs, start=1):
        path = keras.layers.ReLU(name=f"{name}_relu_{i - 1}")(path) if i > 1 else path
        path = _conv(
            path,
            row.kernel,
            width * row.multiple,
            stride if i == kind.middle else 1,
            f"{name}_conv_{i}",
        )
        path = norm(f"{name}_norm_{i}")(path)
    if stride != 1 or x.shape[-1] != path.shape[-1]:
        x = _conv(x, 1, path.shape[-1], stride, f"{name}_shortcut")
        x = norm(f"{name}_shortcut_norm")(x)
    x = keras.layers.Add(name=f"{name}_sum")([path, x])
    return keras.layers.ReLU(name=name)(x)


def _conv(x, kernel, width, stride, name):
    """Convolves x (n, h, w, channels), padded by (kernel - 1) / 2 zeros on each side.

    Where it is strided, "same" would pad less above and to the left.
    """
    if stride > 1 and kernel > 1:
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_padding")(x)
    return keras.layers.Conv2D(
        width,
        kernel,
        stride,
        padding="valid" if stride > 1 else "same",
        use_bias=False,
        kernel_initializer=kaiming(),
        name=name,
    )(x)
