"""Measures images against images: `python -m gan.evaluate --run_dir=DIR`."""

from harness import program

if __name__ == "__main__":
    program.handle_signals()  # before the imports that take a while

from absl import flags as absl_flags

from gan.config import FEATURES, Config
from harness import flags
from harness.config import Check, between
from harness.errors import UserError
from harness.outputs import check_file
from harness.tables import names_in

USAGE = """
Measures images against images, prints a table and writes the numbers as JSON.

The samples of a finished run against the test split of its dataset: a flag that is left out is as
the run has it, and the numbers go to evaluation.json in the run's directory. Where the run is
trained further, that is kept as evaluation-STEP.json.

  python -m gan.evaluate --run_dir=runs/quickstart

Any images against any others: a flag that is left out is as in the preset cifar10_dcgan, and images
keep their size.

  python -m gan.evaluate --generated=runs/zca --reference=cifar10:test --data_dir=DATA_DIR
  python -m gan.evaluate --generated=FOLDER --reference=images.npz --out=evaluation.json

The statistics of one side, to be a side later:

  python -m gan.evaluate --reference=FOLDER --save_statistics=reference.npz

Each side is one of: a run directory, or a SavedModel serving_default(latent[, labels]) -> images in
[-1, 1], for its samples; a folder of images, and the folders in it; an .npz file of images, uint8
(n, h, w, 1 or 3), as `images` or `arr_0`, or of statistics of features, `mean` and `covariance` or
`mu` and `sigma`, and if it has both, what --npz says; a split of a dataset, NAME:SPLIT.
"""

ROWS = 10_000
CARE = "A SavedModel can write files: see SECURITY.md."
FIELDS = ("dataset", "data_dir", "test_split", "image_size", *FEATURES, "eval_samples", "seed")
FIELDS += ("score_samples", "sample_labels")
# What is of the run in --run_dir, of sides, and of two of these, and changes nothing without.
OF_A_RUN = ("test_split", "sample_labels", "trust_config")
OF_SIDES = ("npz",)
OF_BOTH = ("metrics", "feature_rows", "score_samples", "out")
# What is read where it is a path.
READ = ("generated", "reference", "data_dir", "features")


def define_flags():
    """The flags of this program."""
    flags.define_flag(
        "run_dir",
        str,
        "Images",
        "Directory of a complete run of gan.train, whose samples to measure.",
    )
    flags.define_flag(
        "generated", str, "Images", f"Images, or what makes them, to measure: see above. {CARE}"
    )
    flags.define_flag(
        "reference", str, "Images", f"Images to measure them against, in the same forms. {CARE}"
    )
    flags.define_flag(
        "num_classes",
        int,
        "Images",
        "How many classes a generator has that takes labels, if no run tells.",
        check=between(1, 1_000_000),
    )
    flags.define_flag(
        "npz",
        str,
        "Images",
        "Which to use of an .npz file that has images and statistics: these may be of other "
        "images, as published statistics, which published FIDs are computed with, are.",
        ["statistics", "images"],
        default="statistics",
    )
    flags.define_flag(
        "trust_config",
        bool,
        "Images",
        "Whether to use the feature network that the run's config.json names even if it lies "
        "outside the run. A SavedModel can write files: see SECURITY.md before you trust somebody "
        "else's.",
        default="false",
    )
    flags.define_flags(Config, only=FIELDS, defaults="as the run has it, else as cifar10_dcgan")
    metrics = ",".join(_metrics())
    flags.define_flag(
        "metrics",
        str,
        "Evaluation",
        f"What to compute, with commas: of {metrics}.",
        check=Check(f"of {metrics}, with commas", _are_metrics),
        default="all",
    )
    flags.define_flag(
        "feature_rows",
        int,
        "Evaluation",
        "How many images of each side, chosen at random, are used for kernel_distance, "
        "precision_recall and density_coverage, which compare images one with another. Their "
        "features are kept in memory, 4 bytes a number.",
        check=between(0, 1_000_000),
        default=str(ROWS),
    )
    flags.define_flag(
        "save_statistics",
        str,
        "Evaluation",
        "File .npz to write the statistics of --reference to, or of the only side that is given; "
        "later it can be a side itself. It is none that is read, either.",
    )
    flags.define_flag(
        "out",
        str,
        "Evaluation",
        "JSON file to write the numbers to: none that is read, and none that a run has for "
        "something else.",
        default="evaluation.json in --run_dir, else none",
    )


def main():
    """Reads the flags, measures, prints and writes."""
    given = absl_flags.FLAGS
    metrics = list(_metrics() if given.metrics is None else dict.fromkeys(given.metrics.split(",")))
    rows = ROWS if given.feature_rows is None else given.feature_rows
    pair = {"generated": given.generated, "reference": given.reference}
    save = given.save_statistics
    if save is not None and not save.endswith(".npz"):
        raise UserError(f"--save_statistics must end in .npz. Received: save_statistics={save}")
    side = {flag: spec for flag, spec in pair.items() if spec}
    no_run = given.run_dir is None and given.dataset is None
    is_side = no_run and save is not None and len(side) == 1
    is_pair = no_run and all(pair.values())
    if not is_pair and not is_side and (given.run_dir is None or any(pair.values())):
        raise UserError(
            "Give --run_dir, a run that is complete, or both of --generated and --reference, and "
            "with these no --dataset: a split of a dataset is --reference=NAME:SPLIT. "
            f"Received: {_given(run_dir=given.run_dir, **pair, dataset=given.dataset)}"
        )
    kept = {"kernel_distance", "precision_recall", "density_coverage"}
    if given.feature_rows and not kept & set(metrics):
        raise UserError(
            f"--feature_rows must come with --metrics of {' or '.join(sorted(kept))}: else no rows "
            f"are kept. Received: feature_rows={rows}, metrics={given.metrics}"
        )
    if given.score_samples and "inception_score" not in metrics:
        raise UserError(
            "--score_samples must come with --metrics of inception_score: else nothing is of them. "
            f"Received: score_samples={given.score_samples}, metrics={given.metrics}"
        )
    idle = dict.fromkeys(OF_A_RUN, "--run_dir") if given.run_dir is None else {}
    if not is_pair:
        idle |= dict.fromkeys(OF_BOTH if is_side else OF_SIDES, "--generated and --reference")
    for flag, needed in idle.items():
        if getattr(given, flag):
            raise UserError(
                f"--{flag} must come with {needed}: else it changes nothing. Received: "
                f"{_given(**{flag: getattr(given, flag)}, run_dir=given.run_dir, **pair)}"
            )
    read, out = {flag: getattr(given, flag) for flag in READ}, given.out
    if out is not None:
        out = check_file("out", out, read | {"save_statistics": save})
    if save is not None:
        save = check_file("save_statistics", save, read)
    program.load_tensorflow()
    from gan.comparison import Asked, compare_pair, compare_run, measure
    from gan.metrics import sources

    npz = given.npz or sources.STATISTICS
    flags_given = [name for name in (*FIELDS, "npz") if getattr(given, name) is not None]
    asked = Asked(metrics, rows, given.num_classes, out, save, npz, flags_given)
    if is_side:
        measure(side, flags.override(Config(), FIELDS), given.image_size, asked)
    elif is_pair:
        compare_pair(pair, flags.override(Config(), FIELDS), given.image_size, asked)
    else:
        compare_run(given.run_dir, _override, asked)


def _override(config):
    """The configuration of the run with the flags that were given."""
    from gan.saved import check_trust

    given = absl_flags.FLAGS
    if given.features is None and not given.trust_config:
        check_trust(given.run_dir, config)
    if given.sample_labels == "data" and config.conditional == "none":
        raise UserError(
            "--sample_labels is for a generator that takes labels. Received: sample_labels=data, "
            f"and a run_dir with conditional={config.conditional}"
        )
    return flags.override(config, FIELDS)


def _metrics():
    return names_in("gan.metrics.evaluation", "METRICS")


def _given(**values):
    """What was given of some flags, in words."""
    return ", ".join(f"{k}={v}" for k, v in values.items() if v is not None) or "none of these"


def _are_metrics(text):
    return set(text.split(",")) <= set(_metrics())


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
