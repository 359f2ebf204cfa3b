"""The configurations of runs that have a name: every row of the papers' tables."""

import dataclasses

from classify.config import Config
from harness.norm_names import estimates, whitenings

# What the authors of batch whitening add to variances and covariances, where it is not this.
EPSILON = 1e-3
EPSILONS = {"bn": 1e-5, "itn": 1e-5}


def whitened(config, norm, group_size=None, estimate="covariance"):
    """A configuration with bn or a whitening, as the authors of batch whitening set it."""
    return dataclasses.replace(
        config,
        norm=norm,
        group_size=group_size,
        estimate=estimate,
        epsilon=EPSILONS.get(norm, EPSILON),
        norm_momentum=0.9,
    )


# Huang and Yu, section 3 of the supplement, and the authors' code: batches of 2.
MICRO_BATCH = Config(batch_size=2)
DIVISIONS = (1, 2, 4, 8, 16)
MICRO_NORMS = {
    **{f"gn_g{count}": {"norm": "gn", "groups": count} for count in DIVISIONS},
    **{f"gn_c{size}": {"norm": "gn", "group_size": size} for size in DIVISIONS},
    "bn": {"norm": "bn"},
    "unitization": {"norm": "unitization"},
}

# Huang et al., MNIST: E1 without scale and shift.
MLP = Config(
    dataset="mnist",
    input_scaling="symmetric",
    augmentation="none",
    model="mlp",
    depth=4,
    width=256,
    recovery="none",
    epochs=120,
    batch_size=1024,
    learning_rate=1.0,
    decay_at="5/6",
    sgd_momentum=0.0,
    nesterov=False,
    weight_decay=0.0,
)

# Huang et al., section 4.2.1: VGG-19 on CIFAR-10.
VGG = Config(
    input_scaling="channel_std",
    augmentation="crop_flip",
    model="vgg",
    depth=19,
    width=64,
    epochs=160,
    batch_size=256,
    learning_rate=0.1,
    decay_at="60/160,120/160",
    nesterov=False,
    weight_decay=0.0,
)

# Huang et al., section 4.2.2: ImageNet.
IMAGENET = Config(
    dataset="imagenet2012",
    image_size=224,
    test_split="validation",
    input_scaling="imagenet",
    augmentation="resized_crop_flip",
    model="resnet_imagenet",
    depth=50,
    width=64,
    epochs=100,
    batch_size=256,
    learning_rate=0.1,
    decay_at="0.3,0.6,0.9",
    decay_rate=0.1,
    nesterov=False,
    weight_decay=1e-4,
    decayed="all",
)

# As the authors' scripts have them: (norm, group size, estimate); None: all channels are one group.
_MLP_NORMS = [
    (norm, size, estimate)
    for norm in whitenings()
    for size in (None, 16)
    for estimate in estimates()
]
_VGG_NORMS = [
    (norm, size, estimate)
    for norm in whitenings()
    for size in (512, 256, 128, 64, 32, 16)
    for estimate in estimates()
]
_ITN = [("itn", 256, "covariance"), ("itn", 64, "matrix")]
_IMAGENET_NORMS = {
    18: {
        "arc_a": [
            *[(norm, 16, estimate) for norm in ("pca", "zca") for estimate in estimates()],
            *[(norm, 64, estimate) for norm in ("cd", "itn") for estimate in estimates()],
        ],
        "arc_b": [*[("cd", 64, estimate) for estimate in estimates()], *_ITN],
        "arc_c": _ITN,
        "arc_c_no_last": [("cd", None, estimate) for estimate in estimates()],
    },
    50: {"arc_b": _ITN, "arc_c": _ITN},  # Table I
}


def preset_norm(norm, group_size, estimate):
    """What a whitening is called in the names of presets: itn, itn_g64, itn_g64_matrix."""
    size = "" if group_size is None else f"_g{group_size}"
    return norm + size + ("_matrix" if estimate == "matrix" else "")


def _whitenings(prefix, config, norms):
    """Presets with bn and with whitenings, tuples (norm, group size, estimate)."""
    presets = {f"{prefix}_bn": whitened(config, "bn")}
    for norm in norms:
        presets[f"{prefix}_{preset_norm(*norm)}"] = whitened(config, *norm)
    return presets


def _unitizations():
    """CIFAR-10 and CIFAR-100: the authors' networks, each with both normalizations."""
    presets = {}
    for classes in (10, 100):
        for depth in (20, 56, 110, 164):
            bottleneck = {"variant": "bottleneck", "batch_size": 64} if depth == 164 else {}
            for norm in ("bn", "unitization"):
                presets[f"cifar{classes}_resnet{depth}_{norm}"] = Config(
                    dataset=f"cifar{classes}", depth=depth, norm=norm, **bottleneck
                )
    return presets


def _imagenet():
    presets = {}
    for depth, arcs in _IMAGENET_NORMS.items():
        config = dataclasses.replace(IMAGENET, depth=depth)
        prefix = f"imagenet_resnet{depth}"
        presets[f"{prefix}_bn"] = whitened(config, "bn")
        for arc, norms in arcs.items():
            placed = dataclasses.replace(config, variant=arc)
            presets |= {
                f"{prefix}_{arc}_{preset_norm(*norm)}": whitened(placed, *norm) for norm in norms
            }
    cosine = {
        f"{name}_cosine": dataclasses.replace(config, schedule="cosine")
        for name, config in presets.items()
        if config.depth == 50
    }
    return presets | cosine


PRESETS = {
    # Ours: a network of the paper's kind that learns in seconds.
    "quickstart": dataclasses.replace(
        whitened(MLP, "itn", 16),
        dataset="digits",
        image_size=8,
        width=64,
        batch_size=128,
        epochs=40,
        learning_rate=0.5,
    ),
    **_unitizations(),
    **{
        f"cifar10_resnet110_{name}_batch2": dataclasses.replace(MICRO_BATCH, **norm)
        for name, norm in MICRO_NORMS.items()
    },
    **_whitenings("mnist_mlp", MLP, _MLP_NORMS),
    **_whitenings("cifar10_vgg19", VGG, _VGG_NORMS),
    **_imagenet(),
}
