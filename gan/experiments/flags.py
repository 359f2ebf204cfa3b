"""Flags that several experiments have."""

from harness.config import NORM
from harness.experiments.experiment import Flag

NORMS = Flag(
    "norms",
    "Normalizations, as bn,cd,itn, and in groups of so many channels as zca-64.",
    is_list=True,
    check=NORM,
)
ARCHS = Flag("archs", "Architectures, of dcgan, large_dcgan, resnet.", is_list=True)
ROUNDS = "How often each call is timed, in turns with the others."
