"""Draws samples of a generator: `python -m gan.sample --run_dir=DIR --out=FOLDER`."""

from harness import program

if __name__ == "__main__":
    program.handle_signals()  # before the imports that take a while

from absl import flags as absl_flags

from gan.config import FEATURES, Config
from harness import flags
from harness.config import Check, between
from harness.errors import UserError
from harness.outputs import check_directory
from harness.tables import names_in

USAGE = """
Draws samples of a generator and writes them as PNGs to a folder.

  python -m gan.sample --run_dir=runs/quickstart --out=samples
  python -m gan.sample --generator=SAVED_MODEL --num_classes=10 --classes=3,5 --out=samples

--what is of, with commas:
  images          a file for each sample, images/00000.png
  grid            all samples in one picture, grid.png: those of a run's samples/ if there are 64
  interpolations  from one latent to another along the sphere, a row each, interpolations.png
  nearest         samples and the training images that are nearest to each by their features, a row
                  each, nearest.png
"""

FIELDS = ("data_dir", *FEATURES, "seed")
DEFAULT = ("grid",)
# What a flag does nothing without: one of these in --what.
NEEDS = {
    "count": ("images", "grid"),
    **dict.fromkeys(("rows", "columns"), ("interpolations", "nearest")),
    **dict.fromkeys(("training", "trust_config", "data_dir", *FEATURES), ("nearest",)),
}

# Of flags that are numbers: what they are, their rule and their default.
NUMBERS = {
    "count": ("How many samples to draw, for images and grid.", between(1, 10_000_000), 64),
    "rows": ("How many rows interpolations and nearest have.", between(1, 1_000), 8),
    "columns": (
        "How many images are in such a row, a sample of nearest with them.",
        between(2, 1_000),
        8,
    ),
}


def define_flags():
    """The flags of this program."""
    flags.define_flag(
        "run_dir",
        str,
        "Samples",
        "Directory of a complete run of gan.train, whose generator to draw with.",
    )
    flags.define_flag(
        "generator",
        str,
        "Samples",
        "In place of a run: directory of a SavedModel, serving_default(latent[, labels]) -> images "
        "in [-1, 1]. It can write files: see SECURITY.md.",
    )
    flags.define_flag("out", str, "Samples", "Folder to write the pictures to. Required.")
    known = ", ".join(names_in("gan.drawing", "PICTURES"))
    flags.define_flag(
        "what",
        str,
        "Samples",
        "Which pictures to draw, see above, with commas.",
        check=Check(f"of {known}, with commas", _are_pictures),
        default=",".join(DEFAULT),
    )
    for name, (help, check, default) in NUMBERS.items():
        flags.define_flag(name, int, "Samples", help, check=check, default=str(default))
    flags.define_flag(
        "classes",
        str,
        "Samples",
        "For a conditional generator: the classes to draw, by their numbers from 0 on, with "
        "commas.",
        check=Check("numbers from 0 on, with commas", _are_numbers),
        default="all in turn",
    )
    flags.define_flag(
        "num_classes",
        int,
        "Samples",
        "How many classes the --generator has, if it takes labels.",
        check=between(1, 1_000_000),
    )
    flags.define_flag(
        "training",
        str,
        "Samples",
        "For nearest: the images to search, in any form that a side of gan.evaluate has.",
        default="those that the run trained on",
    )
    flags.define_flag(
        "trust_config",
        bool,
        "Samples",
        "Whether to use the feature network that the run's config.json names even if it lies "
        "outside the run. A SavedModel can write files: see SECURITY.md before you trust somebody "
        "else's.",
        default="false",
    )
    flags.define_flags(Config, only=FIELDS, defaults="as the run has it, else as cifar10_dcgan")


def main():
    """Reads the flags and draws."""
    given = absl_flags.FLAGS
    if (given.run_dir is None) == (given.generator is None):
        raise UserError("Give --run_dir, a run that is complete, or --generator, a SavedModel.")
    if given.out is None:
        raise UserError("--out is required: the folder of the pictures.")
    check_directory("out", given.out)
    numbers = {"num_classes": given.num_classes}
    for name, (_, _, default) in NUMBERS.items():
        value = getattr(given, name)
        numbers[name] = default if value is None else value
    what = DEFAULT if given.what is None else tuple(dict.fromkeys(given.what.split(",")))
    for flag, pictures in NEEDS.items():
        if getattr(given, flag) and not set(pictures) & set(what):
            raise UserError(
                f"--{flag} must come with --what of {' or '.join(pictures)}: else it changes "
                f"nothing. Received: {flag}={getattr(given, flag)}, what={','.join(what)}"
            )
    classes = given.classes and tuple(map(int, given.classes.split(",")))
    program.load_tensorflow()
    from gan.drawing import Asked, draw
    from gan.saved import check_trust

    asked = Asked(given.out, what, classes, given.training, **numbers)
    careful = "nearest" in what and given.features is None and not given.trust_config

    def override(config):
        if careful and given.run_dir is not None:
            check_trust(given.run_dir, config)
        return flags.override(config, FIELDS)

    draw(given.run_dir, given.generator, override, asked)


def _are_pictures(text):
    return set(text.split(",")) <= set(names_in("gan.drawing", "PICTURES"))


def _are_numbers(text):
    return all(number.isdecimal() and len(number) < 8 for number in text.split(","))


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
