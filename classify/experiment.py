"""Reproduces a table or figure: `python -m classify.experiment --name=NAME --out=DIR`."""

import dataclasses

from classify import config as configs
from classify import presets, train
from classify.experiments import EXPERIMENTS, covariate_shift, disturbance, known_distances, time
from classify.experiments.options import Options
from harness import program
from harness.experiments import flags as experiment_flags
from harness.experiments import perform

USAGE = """
Reproduces a table or figure of the two papers' supplements.

  micro_batch  unitization, batch and group normalization in batches of 2: table 1
  estimation   MLPs by the covariance's estimate or the matrix's, by width and batch: figure I
  vgg          VGG-19 by whitening, group size and estimate: section 4.2.1
  imagenet     ResNet-50 with ItN in two places: table I
  time         seconds a training step by norm and group size: tables IV and V, figure V
  covariate_shift  how far layers' outputs go in an epoch, as the learning rate falls: figure 1
  known_distances  how far the estimates of covariate_shift are from distances that are known
  disturbance  how much a sample depends on its mini-batch, by method and size, and in which layers

  python -m classify.experiment --name=micro_batch --out=runs/micro --data_dir=DATA_DIR --dry_run
  python -m classify.experiment --name=micro_batch --scale=small --out=runs/micro \\
      --data_dir=DATA_DIR --repeated=bn,unitization
  python -m classify.experiment --name=time --scale=small --out=runs/time --archs=resnet110
  python -m classify.experiment --name=covariate_shift --scale=small --out=runs/shift \\
      --data_dir=DATA_DIR --datasets=cifar10
  python -m classify.experiment --name=disturbance --scale=small --out=runs/disturbance \\
      --run_dir=RUN_DIR --sweeps=layers

covariate_shift trains, and measures every epoch; with --run_dir it measures the checkpoints of a
run of classify.train, if that has kept one of each epoch (--keep_checkpoints, --checkpoint_every).
time needs no data, and the machine to itself: some ten minutes for all networks of the small scale.
disturbance trains nothing: its sweeps over sizes are of random numbers, some six minutes for all of
the small scale and two hours for the paper's; the sweep layers is of the best network of a run of
classify.train and its training images.

The runs are done one after another, each in DIR/runs/NAME. The same command again goes on, and does
not repeat what is complete or has diverged; a diverged run is tried again if its diverged.json is
deleted. When all runs are there, DIR has table.md, the same as CSV, and figures; then the same
command only draws them again. Several machines with one DIR do shares, --shard=1/3 to --shard=3/3.
"""

# Lists, comma-separated: their help.
LISTS = {
    "norms": "Normalizations. Of vgg and time as bn,itn, and in groups of 64 channels as zca-64.",
    "estimates": f"Of {', '.join(presets.ESTIMATES)}: what the moving average follows.",
    "sweeps": f"Of {', '.join(disturbance.SWEEPS)}; layers needs --run_dir.",
    "datasets": f"Of {', '.join(covariate_shift.DATASETS)}.",
    "schedules": f"Of {', '.join(covariate_shift.SCHEDULES)}: what becomes of the learning rate.",
    "archs": f"Networks, of {', '.join(time.ARCHS)}.",
    "widths": "Units of a hidden layer.",
    "batch_sizes": "Images in a batch.",
    "rates": "Learning rates.",
    "repeated": "Those of the normalizations that are run with each seed, not the first alone.",
}
NUMBERS = {
    "seeds": "Number of seeds, from --seed on.",
    "rounds": "Turns that each call gets that is timed.",
}
# Of the experiment disturbance: their type, help and choices.
OF_DISTURBANCE = {
    "normalizer": (
        str | None,
        "What the disturbance is divided by: the root of the number of a sample's elements, or the "
        "number. Left out: none, and sqrt for layers, which differ in size.",
        ["sqrt", "dimension"],
    ),
    "samples": (int, "Samples whose disturbance is measured.", None),
    "batches": (int, "Mini-batches that each of them is put in.", None),
}
# Fields of a configuration in which a run may differ from the paper's and be of its size.
UNSEEN = (*configs.FREE, "seed", "strategy", "deterministic")
CHOICES = train.CHOICES | {"strategy": ["default", "mirrored"]}


def define_flags():
    """The flags of this program."""
    experiment_flags.define(EXPERIMENTS, LISTS, NUMBERS)
    for name, (kind, help, choices) in OF_DISTURBANCE.items():
        program.define_flag(name, kind, "What", help, choices)
    program.define_flag("run_dir", str, "What", "Directory of a trained run, to measure.")
    program.define_flags(configs.Config, CHOICES, only=_fields())


def main():
    """Reads the flags, and does what is left to do of the experiment."""
    experiment = experiment_flags.chosen(EXPERIMENTS)
    fields = [*_fields(), *OF_DISTURBANCE]
    found = experiment_flags.options(experiment, LISTS, NUMBERS, ["run_dir"], fields)
    options = Options(**found)
    same = dataclasses.replace(options, scale="paper", rounds=None, override=lambda config: config)
    ours = experiment is known_distances or options.run_dir is not None
    perform.perform(
        experiment,
        options,
        None if ours else [same, Options()],
        experiment_flags.given("python -m classify.experiment"),
        UNSEEN,
    )


def _fields():
    """The fields of a configuration that an experiment has a flag for, in their order."""
    taken = {name for experiment in EXPERIMENTS.values() for name in experiment.FLAGS}
    return [item.name for item in dataclasses.fields(configs.Config) if item.name in taken]


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
