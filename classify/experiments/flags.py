"""Flags that several experiments have."""

from harness.config import BATCH, POSITIVE, TIMES, numbers_of
from harness.experiments.experiment import Flag
from harness.norm_names import estimates

ARCHS = Flag(
    "archs",
    "Which networks: for time, of vgg19, resnet18, resnet50, resnet110, resnet8 and mlp, which are "
    "gain's; for imagenet, of resnet18, resnet50.",
    is_list=True,
)
NORMS = Flag(
    "norms",
    "Which normalizations to compare, as bn,itn. vgg, time and gain also take groups of so many "
    "channels, as zca-64.",
    is_list=True,
)
ESTIMATES = Flag(
    "estimates",
    "Which moving averages to whiten with after training, see --estimate of classify.train: of "
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
BATCH_SIZES = Flag(
    "batch_sizes",
    "How many images are in a batch. Learning rates of gain are for the task's own number, and for "
    "others in proportion.",
    is_list=True,
    check=numbers_of(int, BATCH),
    default="the experiment's",
)
RUN_DIR = Flag(
    "run_dir",
    "Directory of a complete run of classify.train, which is measured; nothing is trained then.",
)
SEEDS = Flag(
    "seeds",
    "How many seeds each run is repeated with: --seed, and the numbers after it.",
    int,
    check=TIMES,
    default="3, and 1 of covariate_shift and estimation",
)
