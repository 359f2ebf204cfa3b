"""Flags that several experiments have."""

from harness.config import NORM
from harness.experiments.experiment import Flag

NORMS = Flag(
    "norms",
    "Normalizations, as bn,cd,itn, and in groups of so many channels as zca-64.",
    is_list=True,
    check=NORM,
)
# What may follow a normalization, and what tables call it.
RECOVERIES = {"scale_shift": "scale & shift", "coloring": "coloring"}
RECOVERIES_ASKED = Flag(
    "recoveries", f"What follows a normalization, of {', '.join(RECOVERIES)}.", is_list=True
)
SETTINGS_ASKED = Flag(
    "settings",
    "Learning rates, letters or both of Table II: 2e-4, A or 2e-4:A.",
    is_list=True,
)
ARCHS = Flag("archs", "Architectures, of dcgan, large_dcgan, resnet.", is_list=True)
ROUNDS = "How often each call is timed, in turns with the others."
