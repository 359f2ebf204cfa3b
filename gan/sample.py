"""Draws samples of a generator: `python -m gan.sample --run_dir=DIR --out=FOLDER`."""

from harness import program

if __name__ == "__main__":
    program.handle_signals()  # before the imports that take a while

from absl import flags as absl_flags

from gan.config import Config
from harness import flags
from harness.errors import UserError
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

FEATURES = ("features", "feature_size", "feature_range", "feature_layout")
FIELDS = ("data_dir", *FEATURES, "seed")
DEFAULT = ("grid",)


def define_flags():
    """The flags of this program."""
    flags.define_flag("run_dir", str, "Samples", "Directory of a run that is complete.")
    flags.define_flag(
        "generator",
        str,
        "Samples",
        "In its place, a SavedModel serving_default(latent[, labels]) -> images in [-1, 1].",
    )
    flags.define_flag("out", str, "Samples", "Folder of the pictures; required.")
    flags.define_flag("what", str, "Samples", "What to draw, see above; left out: grid.")
    flags.define_flag("count", int, "Samples", "Samples of images and grid; left out: 64.")
    flags.define_flag("rows", int, "Samples", "Rows of the other pictures; left out: 8.")
    flags.define_flag("columns", int, "Samples", "Images in such a row; left out: 8.")
    flags.define_flag(
        "classes",
        str,
        "Samples",
        "Classes of a conditional generator, numbers with commas; left out: all in turn.",
    )
    flags.define_flag(
        "num_classes", int, "Samples", "Number of classes of a generator that no run tells of."
    )
    flags.define_flag(
        "training",
        str,
        "Samples",
        "Images for nearest, as a side of gan.evaluate; left out: those that the run trained on.",
    )
    flags.define_flags(Config, only=FIELDS)


def main():
    """Reads the flags and draws."""
    given = absl_flags.FLAGS
    if (given.run_dir is None) == (given.generator is None):
        raise UserError("Give --run_dir, a run that is complete, or --generator, a SavedModel.")
    if given.out is None:
        raise UserError("--out is required: the folder of the pictures.")
    numbers = {"count": 64, "rows": 8, "columns": 8, "num_classes": None}
    for name, default in numbers.items():
        value = getattr(given, name)
        numbers[name] = default if value is None else value
        if value is not None and value < (2 if name == "columns" else 1):
            raise UserError(
                f"--{name} must be positive, and 2 of columns. Received: {name}={value}"
            )
    what, classes = _chosen(given.what), _numbers(given.classes)
    program.load_tensorflow()
    from gan.drawing import Asked, draw

    asked = Asked(given.out, what, classes, given.training, **numbers)
    draw(given.run_dir, given.generator, lambda config: flags.override(config, FIELDS), asked)


def _chosen(text):
    """The names in the text of --what, once each."""
    known = names_in("gan.drawing", "PICTURES")
    names = DEFAULT if text is None else tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in known:
            raise UserError(
                f"--what must be of {', '.join(known)}, with commas. Received: {name!r}"
            )
    return names


def _numbers(text):
    """The numbers in the text of --classes; None: all."""
    if text is None:
        return None
    numbers = text.split(",")
    if not all(number.isdecimal() for number in numbers):
        raise UserError(f"--classes must be numbers with commas. Received: classes={text!r}")
    return tuple(map(int, numbers))


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
