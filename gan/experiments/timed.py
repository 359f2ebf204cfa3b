"""What the experiment `cost` times: generators, and their norms."""

import dataclasses

from gan.config import Config
from harness.norm_names import parse_norm

# Architectures: a preset that has all but the norm, and the norms that are timed in turns with
# BatchNormalization. Figure VI is of the first, Table VI of the others.
GROUPED = [f"{norm}{size}" for norm in ("zca", "cd", "itn") for size in ("-16", "-32", "-64", "")]
ARCHS = {
    "dcgan": ("cifar10_dcgan", GROUPED),
    "large_dcgan": ("large_dcgan_bn", ["cd", "zca-64", "itn"]),
    "resnet": ("large_resnet_bn", ["cd", "zca-64", "itn"]),
}
BASELINE = "bn"
KINDS = ("generator pass", "training step")


@dataclasses.dataclass(frozen=True)
class Timing:
    """What is timed: training steps of an architecture with one discriminator update each.

    `norms` are comma-separated, the first `BASELINE`.
    """

    arch: str
    norms: str
    recovery: str
    iterations: int
    generator_filters: int
    discriminator_filters: int
    batch_size: int
    rounds: int
    image_size: int = 32
    seed: int = 0

    def configs(self):
        """The `Config` of each norm."""
        return [self.trainer_config(norm, device=None) for norm in self.norms.split(",")]

    def trainer_config(self, norm, device):
        """The `Config` with a norm, whose decomposition is on a device."""
        fields = dataclasses.asdict(self)
        shared = {name: fields[name] for name in fields.keys() - {"norms", "rounds"}}
        return Config(**shared, **parse_norm(norm), device=device)
