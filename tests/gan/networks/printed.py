"""Tables VII, VIII and IX of the supplement, as printed; the released variants beside them."""

# Layer, shape after it, parameters: kernel and bias, counted from the printed tables. For a block,
# its convolutions and shortcut, and then the sum of both, which has none.
GENERATORS = {
    "dcgan": [
        ("dense", (4 * 4 * 256,), 128 * 4096 + 4096),
        ("deconv_1", (8, 8, 256), 4 * 4 * 256 * 256 + 256),
        ("deconv_2", (16, 16, 128), 4 * 4 * 256 * 128 + 128),
        ("deconv_3", (32, 32, 64), 4 * 4 * 128 * 64 + 64),
        ("image", (32, 32, 3), 3 * 3 * 64 * 3 + 3),
    ],
    "large_dcgan": [
        ("dense", (4 * 4 * 512,), 128 * 8192 + 8192),
        ("deconv_1", (8, 8, 512), 4 * 4 * 512 * 512 + 512),
        ("deconv_2", (16, 16, 256), 4 * 4 * 512 * 256 + 256),
        ("deconv_3", (32, 32, 128), 4 * 4 * 256 * 128 + 128),
        ("image", (32, 32, 3), 3 * 3 * 128 * 3 + 3),
    ],
    "resnet": [
        ("dense", (4 * 4 * 256,), 128 * 4096 + 4096),
        ("block_1_conv_1", (8, 8, 256), 3 * 3 * 256 * 256 + 256),
        ("block_1_conv_2", (8, 8, 256), 3 * 3 * 256 * 256 + 256),
        ("block_1_shortcut", (4, 4, 256), 1 * 1 * 256 * 256 + 256),
        ("block_1", (8, 8, 256), 0),
        ("block_2_conv_1", (16, 16, 256), 3 * 3 * 256 * 256 + 256),
        ("block_2_conv_2", (16, 16, 256), 3 * 3 * 256 * 256 + 256),
        ("block_2_shortcut", (8, 8, 256), 1 * 1 * 256 * 256 + 256),
        ("block_2", (16, 16, 256), 0),
        ("block_3_conv_1", (32, 32, 256), 3 * 3 * 256 * 256 + 256),
        ("block_3_conv_2", (32, 32, 256), 3 * 3 * 256 * 256 + 256),
        ("block_3_shortcut", (16, 16, 256), 1 * 1 * 256 * 256 + 256),
        ("block_3", (32, 32, 256), 0),
        ("image", (32, 32, 3), 3 * 3 * 256 * 3 + 3),
    ],
}

# Normalization and the shape it is of. The released DCGAN has one more, and each is before a
# deconvolution.
SITES = {
    ("dcgan", "paper"): [
        ("norm_1", (8, 8, 256)),
        ("norm_2", (16, 16, 128)),
        ("norm_3", (32, 32, 64)),
    ],
    ("dcgan", "released"): [
        ("norm_1", (4, 4, 256)),
        ("norm_2", (8, 8, 256)),
        ("norm_3", (16, 16, 128)),
        ("norm_4", (32, 32, 64)),
    ],
    ("large_dcgan", "paper"): [
        ("norm_1", (8, 8, 512)),
        ("norm_2", (16, 16, 256)),
        ("norm_3", (32, 32, 128)),
    ],
    ("large_dcgan", "released"): [
        ("norm_1", (4, 4, 512)),
        ("norm_2", (8, 8, 512)),
        ("norm_3", (16, 16, 256)),
        ("norm_4", (32, 32, 128)),
    ],
    ("resnet", "paper"): [
        ("block_1_norm_1", (4, 4, 256)),
        ("block_1_norm_2", (8, 8, 256)),
        ("block_2_norm_1", (8, 8, 256)),
        ("block_2_norm_2", (16, 16, 256)),
        ("block_3_norm_1", (16, 16, 256)),
        ("block_3_norm_2", (32, 32, 256)),
        ("norm", (32, 32, 256)),
    ],
}
SITES["resnet", "released"] = SITES["resnet", "paper"]

DISCRIMINATORS = {
    ("dcgan", "paper"): [
        ("conv_1", (32, 32, 32), 3 * 3 * 3 * 32 + 32),
        ("conv_2", (16, 16, 64), 3 * 3 * 32 * 64 + 64),
        ("conv_3", (16, 16, 64), 3 * 3 * 64 * 64 + 64),
        ("conv_4", (8, 8, 128), 3 * 3 * 64 * 128 + 128),
        ("conv_5", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("conv_6", (4, 4, 256), 3 * 3 * 128 * 256 + 256),
        ("conv_7", (4, 4, 256), 3 * 3 * 256 * 256 + 256),
        ("dense", (1,), 4 * 4 * 256 + 1),
    ],
    ("dcgan", "released"): [
        ("conv_1", (32, 32, 32), 3 * 3 * 3 * 32 + 32),
        ("conv_2", (16, 16, 64), 4 * 4 * 32 * 64 + 64),
        ("conv_3", (16, 16, 64), 3 * 3 * 64 * 64 + 64),
        ("conv_4", (8, 8, 128), 4 * 4 * 64 * 128 + 128),
        ("conv_5", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("conv_6", (4, 4, 256), 4 * 4 * 128 * 256 + 256),
        ("conv_7", (4, 4, 256), 3 * 3 * 256 * 256 + 256),
        ("dense", (1,), 4 * 4 * 256 + 1),
    ],
    ("large_dcgan", "paper"): [
        ("conv_1", (32, 32, 64), 3 * 3 * 3 * 64 + 64),
        ("conv_2", (16, 16, 128), 4 * 4 * 64 * 128 + 128),
        ("conv_3", (16, 16, 128), 3 * 3 * 128 * 128 + 128),
        ("conv_4", (8, 8, 256), 4 * 4 * 128 * 256 + 256),
        ("conv_5", (8, 8, 256), 3 * 3 * 256 * 256 + 256),
        ("conv_6", (4, 4, 512), 4 * 4 * 256 * 512 + 512),
        ("conv_7", (4, 4, 512), 3 * 3 * 512 * 512 + 512),
        ("dense", (1,), 4 * 4 * 512 + 1),
    ],
    ("resnet", "paper"): [
        ("block_1_conv_1", (32, 32, 128), 3 * 3 * 3 * 128 + 128),
        ("block_1_conv_2", (32, 32, 128), 3 * 3 * 128 * 128 + 128),
        ("block_1_shortcut", (16, 16, 128), 1 * 1 * 3 * 128 + 128),
        ("block_1", (16, 16, 128), 0),
        ("block_2_conv_1", (16, 16, 128), 3 * 3 * 128 * 128 + 128),
        ("block_2_conv_2", (16, 16, 128), 3 * 3 * 128 * 128 + 128),
        ("block_2_shortcut", (16, 16, 128), 1 * 1 * 128 * 128 + 128),
        ("block_2", (8, 8, 128), 0),
        ("block_3_conv_1", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("block_3_conv_2", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("block_3", (8, 8, 128), 0),
        ("block_4_conv_1", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("block_4_conv_2", (8, 8, 128), 3 * 3 * 128 * 128 + 128),
        ("block_4", (8, 8, 128), 0),
        ("dense", (1,), 128 + 1),
    ],
}
DISCRIMINATORS["large_dcgan", "released"] = DISCRIMINATORS["large_dcgan", "paper"]
DISCRIMINATORS["resnet", "released"] = DISCRIMINATORS["resnet", "paper"]

# Sites of a discriminator's normalization, and the layer before each.
DISCRIMINATOR_SITES = {
    "dcgan": {f"norm_{i}": f"conv_{i}" for i in range(2, 8)},
    "large_dcgan": {f"norm_{i}": f"conv_{i}" for i in range(2, 8)},
    "resnet": {
        "block_1_norm_2": "block_1_conv_1",
        "block_2_norm_1": "block_1",
        "block_2_norm_2": "block_2_conv_1",
        "block_3_norm_1": "block_2",
        "block_3_norm_2": "block_3_conv_1",
        "block_4_norm_1": "block_3",
        "block_4_norm_2": "block_4_conv_1",
    },
}
