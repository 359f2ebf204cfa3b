"""Flags that several experiments have."""

from harness.experiments.experiment import Flag
from harness.norm_names import estimates

NORMS = Flag(
    "norms",
    "Normalizations. Of vgg and time as bn,itn, and in groups of 64 channels as zca-64.",
    is_list=True,
)
ESTIMATES = Flag(
    "estimates", f"Of {', '.join(estimates())}: what the moving average follows.", is_list=True
)
RUN_DIR = Flag("run_dir", "Directory of a trained run, to measure.")
