"""Opens the sides of a comparison: a run, a SavedModel, a folder, a file, a split."""

import dataclasses
import pathlib
import re
import typing

from gan import parts
from gan.latents import evaluation_samples
from gan.metrics import sources
from gan.metrics.statistics import Statistics
from gan.saved import load_generator, run_config
from harness import saved_models
from harness.datasets import image_kind, load_images
from harness.datasets.decoding import read_file
from harness.datasets.in_memory import resize
from harness.datasets.listing import list_images
from harness.errors import UserError
from harness.run.directory import RunDirectory
from harness.run.identity import kept


class Opening(typing.NamedTuple):
    """How a side is opened, as the flags of these names say.

    `label_shares` are how often the classes of samples come; None: all as often.
    """

    data_dir: str | None
    image_size: int | None
    num_classes: int | None
    seed: int
    npz: str = sources.STATISTICS
    label_shares: typing.Sequence[float] | None = None


class Side(typing.NamedTuple):
    """What a side may be: `is_one(spec)` tells it by its path, `open(spec, opening)` opens it."""

    is_one: typing.Callable
    open: typing.Callable


def open_side(name, spec, opening):
    """The `Source`, or the `Statistics`, that a user tells of by what is called `name`."""
    for side in SIDES.values():
        if side.is_one(spec):
            try:
                return _resized(side.open(spec, opening), opening.image_size)
            except (ValueError, UserError) as error:
                said = str(error)
                raise UserError(said if said[:2] == "--" else f"{name}: {said}") from error
    there = "" if pathlib.Path(spec).exists() else ", which does not exist"
    raise UserError(f"{name} must be one of {', '.join(SIDES)}. Received: {spec!r}{there}")


def makes_images(spec):
    """Whether what a flag tells of is a generator."""
    return any(SIDES[name].is_one(spec) for name in ("a run directory", "a SavedModel"))


def is_split(spec):
    """Whether what a flag tells of is a split of a dataset."""
    return _kind(spec) == "a dataset's split as NAME:SPLIT"


def has_both(spec):
    """Whether what a flag tells of is an .npz file of images and of statistics."""
    return _kind(spec) == "an .npz file" and sources.has_both(spec)


def _kind(spec):
    return next((name for name, side in SIDES.items() if side.is_one(spec)), None)


def _run(path, opening):
    """A run as it measures itself: its samples are of the classes that `sample_labels` says."""
    config = run_config(path)
    if config.sample_labels is not None:
        shares = parts.label_shares(config, parts.images(config, "train"))
        opening = opening._replace(label_shares=shares)
    return open_run(path, opening)


def open_run(path, opening):
    """The `Source` of the generator of a run that is complete."""
    path = pathlib.Path(path)
    run_config(path)  # a mistake in the path is told as such
    source = _saved_model(path / "generator", opening)
    return _resized(dataclasses.replace(source, name=path.resolve().name), opening.image_size)


def _saved_model(path, opening):
    path = pathlib.Path(path)
    generator = load_generator(path)
    classes = number_of_classes(generator, path, opening)

    def sample(count):
        return evaluation_samples(
            generator.generate,
            opening.seed,
            generator.latent_size,
            count,
            num_classes=classes,
            label_shares=opening.label_shares,
        )

    return sources.from_generator(path.resolve().name, sample, generator.size)


def number_of_classes(generator, path, opening):
    """The number of classes of a generator, None if it takes no labels.

    Args:
        generator: the `Generator`.
        path: of its SavedModel; a run that it is of tells the number.
        opening: an `Opening`, which may have the number.

    Raises:
        UserError: neither tells it, the flag tells another than the run, or of a generator that
            takes no labels.
    """
    if not generator.takes_labels:
        if opening.num_classes is not None:
            raise UserError(
                "--num_classes is for a generator that takes labels. Received: num_classes="
                f"{opening.num_classes}, and {path}, which takes none"
            )
        return None
    if not (path.parent / "config.json").is_file():
        if opening.num_classes is None:
            raise UserError(f"The generator in {path} takes labels: give --num_classes.")
        return opening.num_classes
    known = _runs_classes(path.parent)
    if isinstance(known, UserError):
        if opening.num_classes is None:
            raise UserError(
                f"The generator in {path} takes labels, and its run has no data.json that tells of "
                f"how many classes: give --num_classes. {known}"
            ) from known
        return opening.num_classes
    if opening.num_classes not in (None, known):
        raise UserError(
            f"--num_classes must be that of the run, or left out. Received: num_classes="
            f"{opening.num_classes}, and {path.parent} of {known} classes"
        )
    return known


def _runs_classes(run_dir):
    """The number of classes of a run that takes labels, or the `UserError` why it is not known."""
    number = (kept(RunDirectory(run_dir)) or {}).get("num_classes")
    if str(number).isdecimal():
        return int(number)
    config = run_config(run_dir)
    try:  # Not in the --data_dir of here, which may be that of other images.
        return image_kind(config.dataset, config.data_dir).num_classes
    except UserError as error:
        return error


def _split(spec, opening):
    # A version of a dataset may come between, as in mnist:3.0.1:test.
    found = re.fullmatch(r"([^\[\]+]+):([^:\[\]+]+)", spec)
    if found is None:
        raise ValueError(
            "a split must be a whole one, NAME:SPLIT as cifar10:test; --eval_samples takes so many "
            f"images of it. Received: {spec!r}"
        )
    name, split = found.groups()
    images = load_images(name, split, opening.data_dir, opening.image_size)
    return sources.from_split(images, opening.seed)


def _folder(path, opening):
    listing = list_images([path])
    if listing.passed_over:
        print(listing.line(path))

    def read(file):
        image = read_file(file)
        if opening.image_size is not None:
            image = resize(image, opening.image_size).numpy()
        return image

    return sources.from_folder(path, listing.paths[0], read, opening.seed)


def _resized(source, image_size):
    """The source with its images brought to one size, as `load_images` does."""
    if image_size is None or isinstance(source, Statistics) or source.size == (image_size,) * 2:
        return source

    def batches(count):
        for images in source.batches(count):
            yield resize(images, image_size).numpy()

    return dataclasses.replace(source, batches=batches, size=(image_size,) * 2)


# What --generated and --reference may be; the first that fits.
SIDES = {
    "a run directory": Side(lambda spec: (pathlib.Path(spec) / "config.json").is_file(), _run),
    "a SavedModel": Side(saved_models.is_one, _saved_model),
    "a folder of images": Side(lambda spec: pathlib.Path(spec).is_dir(), _folder),
    "an .npz file": Side(
        lambda spec: pathlib.Path(spec).is_file() and spec.endswith(".npz"),
        lambda spec, opening: sources.from_npz(spec, opening.npz, opening.seed),
    ),
    "a dataset's split as NAME:SPLIT": Side(lambda spec: ":" in spec, _split),
}
