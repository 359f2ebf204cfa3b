"""Flags that several experiments have."""

from harness.config import POSITIVE, TIMES, numbers_of
from harness.experiments.experiment import Flag
from harness.norm_names import estimates

ARCHS = Flag(
    "archs",
    "Networks: of time vgg19, resnet18, resnet50, resnet110, of imagenet the second and the third.",
    is_list=True,
)
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
RATES = Flag(
    "rates",
    "Learning rates at the start. Of gain, unless given, three of the task's.",
    is_list=True,
    check=numbers_of(float, POSITIVE),
    default="the experiment's",
)
RUN_DIR = Flag(
    "run_dir",
    "Directory of a run of classify.train that is complete, to measure in place of training.",
)


def seeds(default):
    """The number of seeds of an experiment, which is `default` unless it is given."""
    return Flag("seeds", "Number of seeds, from --seed on.", int, check=TIMES, default=str(default))
