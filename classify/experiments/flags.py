"""Flags that several experiments have."""

from harness.experiments.experiment import Flag
from harness.norm_names import estimates

NORMS = Flag(
    "norms",
    "Normalizations. Of vgg and time as bn,itn, and in groups of 64 channels as zca-64.",
    is_list=True,
)
ESTIMATES = Flag(
    "estimates",
    "Of what a whitening keeps a moving average, to whiten with after training, of "
    f"{', '.join(estimates())}.",
    is_list=True,
)
RUN_DIR = Flag(
    "run_dir",
    "Directory of a run of classify.train that is complete, to measure in place of training.",
)
