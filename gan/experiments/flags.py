"""Flags that several experiments have."""

from harness.config import NORM
from harness.experiments.experiment import Flag

NORMS = Flag(
    "norms",
    "Which normalizations to compare, as bn,cd,itn; with groups of so many channels as zca-64.",
    is_list=True,
    check=NORM,
)
# What may follow a normalization, and what tables call it.
RECOVERIES = {"scale_shift": "scale & shift", "coloring": "coloring"}
RECOVERIES_ASKED = Flag(
    "recoveries",
    "What is learned after each normalization, see --recovery of gan.train: of "
    f"{', '.join(RECOVERIES)}.",
    is_list=True,
)
SETTINGS_ASKED = Flag(
    "settings",
    "Which settings of Adam to run, of the paper's Table II: a learning rate, as 2e-4; a letter, "
    "as A, for its betas and updates of the discriminator; or both, as 2e-4:A.",
    is_list=True,
)
ARCHS = Flag("archs", "Which networks to train, of dcgan, large_dcgan, resnet.", is_list=True)
ROUNDS = "How often each network is timed, all in turns; medians are told."


def can_recover(norm, recovery):
    """Whether there is something to recover: without a norm scale and shift stand for nothing."""
    return norm != "none" or recovery == "scale_shift"
