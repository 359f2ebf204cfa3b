"""What the experiment `time` times: networks, their norms, and the seconds that are published."""

import dataclasses
import typing

from classify import presets
from classify.config import Config
from classify.experiments import gain
from harness.norm_names import parse_norm

# What others are compared with, at all sites alike: BatchNormalization, and no normalization.
BASELINES = ("bn", "none")
ALIKE = "plain"
# Weights stay as they are: what is timed is of one kind to the end, and nothing overflows.
LEARNING_RATE = 1e-20


class Published(typing.NamedTuple):
    """A table of the paper: its name and machine, and seconds a step by (norm, variant)."""

    source: str
    seconds: dict


# Of Table IV: channels in a group, and for each method the seconds of these.
SIZES = (16, 32, 64, 128, 256, 512)
TABLE_IV = {
    "itn": (0.624, 0.338, 0.192, 0.13, 0.11, 0.106),
    "zca": (2.245, 1.536, 0.906, 0.498, 0.505, 0.512),
    "cd": (9.8, 4.818, 2.391, 1.29, 0.907, 0.793),
}
PUBLISHED = {
    "vgg19": Published(
        "Table IV, on one GPU",
        {("bn", ALIKE): 0.049}
        | {
            (f"{method}-{size}", ALIKE): seconds
            for method, row in TABLE_IV.items()
            for size, seconds in zip(SIZES, row, strict=True)
        },
    ),
    "resnet50": Published(
        "Table V, on two GPUs",
        {
            ("bn", ALIKE): 0.418,
            ("itn-256", "arc_b"): 0.464,
            ("itn-256", "arc_c"): 0.546,
            ("itn-64", "arc_b"): 0.522,
            ("itn-64", "arc_c"): 0.662,
        },
    ),
}
# Of figure V.
DRAWN = "resnet18"


class Network(typing.NamedTuple):
    """A network that is timed.

    Attributes:
        label: what it is called.
        config: a `Config` that has all but the norm.
        num_classes: of the random labels.
        image_size: height and width of the random images, in pixels.
        norms: names of norms, see `parse_norm`.
        variants: where in the network the norms are put, see `models.VARIANTS`.
        small_norms: the norms of the small scale.
        small: fields of the small scale.
        channels: of an image.
    """

    label: str
    config: Config
    num_classes: int
    image_size: int
    norms: typing.Sequence[str]
    variants: typing.Sequence[str]
    small_norms: typing.Sequence[str]
    small: dict
    channels: int = 3


def _grouped(sizes):
    return [f"{method}-{size}" for method in TABLE_IV for size in sizes]


_RESNET_SIZES = {"image_size": 64, "batch_size": 8}
_FEW = _grouped((16, 64, 512))
_ITN = ("itn-64", "itn-256")
_PLACES = ("arc_b", "arc_c")
_RESNET_18 = dataclasses.replace(presets.IMAGENET, depth=18)
_OURS = ("gn-8", "unitization", "itn-16")
_RESNET_110 = presets.PRESETS["cifar10_resnet110_bn"]
ARCHS = {
    "vgg19": Network(
        "VGG-19", presets.VGG, 10, 32, _grouped(SIZES), [ALIKE], _FEW, {"batch_size": 32}
    ),
    "resnet18": Network(
        "ResNet-18", _RESNET_18, 1000, 224, _grouped(SIZES), _PLACES, _FEW, _RESNET_SIZES
    ),
    "resnet50": Network(
        "ResNet-50", presets.IMAGENET, 1000, 224, _ITN, _PLACES, _ITN, _RESNET_SIZES
    ),
    "resnet110": Network(
        "ResNet-110",
        _RESNET_110,
        10,
        32,
        ["unitization"],
        [ALIKE],
        ["unitization"],
        {"batch_size": 32},
    ),
    "resnet8": Network(
        "ResNet-8 of gain", gain.TASKS["cifar10"], 10, 32, gain.NORMS[1:], [ALIKE], _OURS, {}
    ),
    "mlp": Network(
        "MLP of gain", gain.TASKS["mnist"], 10, 28, gain.NORMS[1:], [ALIKE], _OURS, {}, channels=1
    ),
}


@dataclasses.dataclass(frozen=True)
class Timing:
    """What is timed: training steps of a network with norms in turns, in each of its places.

    `norms` are comma-separated names, the first `BASELINES`; `image_size` is in pixels.
    """

    arch: str
    norms: str
    width: int
    image_size: int
    batch_size: int
    rounds: int
    iterations: int = 5
    device: str | None = None
    seed: int = 0

    def __post_init__(self):
        if self.image_size is None:
            raise ValueError("`image_size` must be a number of pixels. Received: image_size=none")

    def configs(self):
        """The `Config` of each step that is timed, by the norm's name and the variant."""
        network = ARCHS[self.arch]
        names = ("width", "image_size", "batch_size", "iterations", "device", "seed")
        shared = {name: getattr(self, name) for name in names}
        return {
            (norm, variant): dataclasses.replace(
                network.config,
                variant=variant,
                learning_rate=LEARNING_RATE,
                **shared,
                **parse_norm(norm),
            )
            for norm in self.norms.split(",")
            for variant in ([ALIKE] if norm in BASELINES else network.variants)
        }
