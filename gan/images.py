"""Images to measure, by what a user names them: a run, a SavedModel, a folder, a file, a split."""

import dataclasses
import pathlib
import typing

import tensorflow as tf

from gan import presets
from gan.latents import evaluation_samples
from gan.metrics import sources
from gan.metrics.statistics import Statistics
from harness.datasets import image_kind, load_images
from harness.errors import UserError
from harness.run.directory import RunDirectory


class Options(typing.NamedTuple):
    """How a side is opened, as the flags of these names say."""

    data_dir: str | None
    image_size: int | None
    num_classes: int | None
    seed: int


class Kind(typing.NamedTuple):
    """A kind of images: `is_one(spec)` tells it by its path, `open(spec, options)` opens it."""

    is_one: typing.Callable
    open: typing.Callable


def open_side(name, spec, options):
    """The `Source`, or the `Statistics`, that the flag `name` tells of."""
    for kind in KINDS.values():
        if kind.is_one(spec):
            try:
                return _resized(kind.open(spec, options), options.image_size)
            except ValueError as error:
                raise UserError(f"--{name}: {error}") from error
    there = "" if pathlib.Path(spec).exists() else ", which does not exist"
    raise UserError(f"--{name} must be one of {', '.join(KINDS)}. Received: {spec!r}{there}")


def open_run(path, options):
    """The `Source` of the generator of a run that is complete."""
    path = pathlib.Path(path)
    run_config(path)  # a mistake in the path is told as such
    source = _saved_model(path / "generator", options)
    return _resized(dataclasses.replace(source, name=path.resolve().name), options.image_size)


def run_config(path):
    """The configuration of the run in a directory; raises `UserError` if there is none."""
    try:
        return presets.Config(**RunDirectory(path).config())
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} does not fit this program: {error}") from error


def _saved_model(path, options):
    path = pathlib.Path(path)
    if not path.is_dir():
        raise UserError(
            f"There is no generator in {path}: a run writes it when it is complete. Start it again "
            "to finish it."
        )
    try:
        # The function does not keep the variables alive: its holder does.
        holder = tf.saved_model.load(str(path))
        serve = holder.signatures["serving_default"]
        inputs = serve.structured_input_signature[1]
        if not set(inputs) <= {"latent", "labels"}:
            raise ValueError(f"its inputs are {sorted(inputs)}")
        latent_size = int(inputs["latent"].shape[1])
        size = serve.structured_outputs["images"].shape[1:3]
    except Exception as error:  # Damaged files surface as one of many types.
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} is no generator ({type(error).__name__}: {reason}): it must be a SavedModel "
            "with serving_default(latent[, labels]) -> images, (n, d) to (n, h, w, 1 or 3)"
        ) from error
    classes = _num_classes(path, options) if "labels" in inputs else None

    def generate(*values):
        names = ("latent", "labels")[: len(values)]
        serve = holder.signatures["serving_default"]
        return serve(**dict(zip(names, values, strict=True)))["images"]

    def sample(count):
        return evaluation_samples(generate, options.seed, latent_size, count, num_classes=classes)

    size = tuple(size) if size.is_fully_defined() else None
    return sources.from_generator(path.resolve().name, sample, size)


def _num_classes(path, options):
    """The number of classes of a generator: as the flag says, or the run that it is of."""
    if options.num_classes is not None:
        return options.num_classes
    if not (path.parent / "config.json").is_file():
        raise UserError(f"The generator in {path} takes labels: give --num_classes.")
    config = run_config(path.parent)
    return image_kind(config.dataset, options.data_dir or config.data_dir).num_classes


def _split(spec, options):
    name, split = spec.rsplit(":", 1)
    return sources.from_split(load_images(name, split, options.data_dir, options.image_size))


def _folder(path, options):
    def read(file):
        try:
            image = tf.io.decode_image(file.read_bytes(), channels=3, expand_animations=False)
        except tf.errors.OpError as error:
            raise ValueError(f"{file} is damaged, or no image that TensorFlow reads") from error
        if options.image_size is not None:
            image = tf.image.resize(image, [options.image_size] * 2, method="bilinear")
        return image.numpy()

    return sources.from_folder(path, read, options.seed)


def _resized(source, image_size):
    """The source with its images brought to one size, bilinearly, as `load_images` does."""
    if image_size is None or isinstance(source, Statistics) or source.size == (image_size,) * 2:
        return source

    def batches(count):
        for images in source.batches(count):
            yield tf.image.resize(images, [image_size] * 2, method="bilinear").numpy()

    return dataclasses.replace(source, batches=batches, size=(image_size,) * 2)


# What --generated and --reference may be; the first that fits.
KINDS = {
    "a run directory": Kind(lambda spec: (pathlib.Path(spec) / "config.json").is_file(), open_run),
    "a SavedModel": Kind(lambda spec: tf.saved_model.contains_saved_model(spec), _saved_model),
    "a folder of images": Kind(lambda spec: pathlib.Path(spec).is_dir(), _folder),
    "an .npz file": Kind(
        lambda spec: pathlib.Path(spec).is_file() and spec.endswith(".npz"),
        lambda spec, options: sources.from_npz(spec),
    ),
    "a dataset's split as NAME:SPLIT": Kind(lambda spec: ":" in spec, _split),
}
