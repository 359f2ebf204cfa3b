"""Pictures of a generator's samples."""

import pathlib
import typing

import numpy as np
import tensorflow as tf

from gan import parts
from gan.config import Config
from gan.latents import latents
from gan.measuring import in_memory
from gan.metrics import sources
from gan.saved import Generator, load_generator, run_config
from gan.sides import Opening, number_of_classes, open_side
from harness.datasets.damage import reason
from harness.errors import UserError, of_memory
from harness.figures import pictures
from harness.files import whole_directory
from harness.outputs import check_directory, check_file, check_replaced, through_links
from harness.run.actions import Progress

_AT_ONCE = 64
_IMAGES = "images"  # the folder of single samples


class Asked(typing.NamedTuple):
    """What is asked for, as the flags of these names say."""

    out: str
    what: tuple[str, ...]
    classes: tuple[int, ...] | None
    training: str | None
    count: int
    rows: int
    columns: int
    num_classes: int | None


class Sampler(typing.NamedTuple):
    """A generator, and what its samples follow from.

    Attributes:
        generator: a `Generator`.
        seed: of the latents.
        classes: labels of the samples in turn; None: it takes none.
    """

    generator: Generator
    seed: int
    classes: tuple[int, ...] | None

    def latents(self, count):
        """Latents, (count, size): the first of a run's seed are those of its own grids."""
        return latents(self.seed, "fixed", 0, count, self.generator.latent_size)

    def __call__(self, latent):
        """Images (n, h, w, channels) in [-1, 1] of latents, of the classes in turn."""
        labels = None
        if self.classes is not None:
            labels = tf.constant(np.resize(self.classes, len(latent)), tf.int32)
        return self.images(latent, labels)

    def images(self, latent, labels):
        """Images of latents (n, size) and labels (n,), or None."""
        made = []
        for start in range(0, len(latent), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            inputs = [latent[some]] if labels is None else [latent[some], labels[some]]
            try:
                made.append(self.generator.generate(*inputs).numpy())
            except (ValueError, tf.errors.OpError) as error:
                raise UserError(
                    f"The generator's samples cannot be drawn: {of_memory(error) or reason(error)}"
                ) from error
        return np.concatenate(made)


def draw(run_dir, saved_model, override, asked):
    """Draws what is asked for of a run's generator, or of one in a SavedModel.

    Args:
        run_dir, saved_model: directories, one of which is None.
        override: function from a `Config` to the one that holds here.
        asked: an `Asked`.

    Raises:
        UserError: there is no such generator, class, data or feature network.
    """
    out = pathlib.Path(asked.out)
    for name in asked.what:
        _check_place(out, name, asked)
    path = pathlib.Path(saved_model or pathlib.Path(run_dir, "generator"))
    of_run = None if run_dir is None else run_config(run_dir)
    config = override(of_run or Config())
    generator = load_generator(path)
    opening = Opening(config.data_dir, None, asked.num_classes, config.seed)
    sampler = Sampler(generator, config.seed, _classes(generator, path, opening, asked.classes))
    for name in asked.what:
        if name == "nearest":
            training = _training(of_run and config, opening, asked)
            written = _nearest(sampler, out, asked, training, parts.feature_network(config))
        else:
            written = PICTURES[name](sampler, out, asked)
        print(f"Wrote {written}.")


def _classes(generator, path, opening, asked):
    """The labels of samples in turn; None of a generator that takes none."""
    known = number_of_classes(generator, path, opening)
    if known is None:
        if asked is not None:
            raise UserError(f"The generator in {path} takes no labels. Received: classes={asked}")
        return None
    if asked is not None and max(asked) >= known:
        raise UserError(
            f"--classes must be below {known}, the number of the generator's classes. "
            f"Received: classes={max(asked)}"
        )
    return tuple(range(known)) if asked is None else asked


def _training(config, opening, asked):
    """The `Source` of the images that samples are looked for in."""
    if asked.training is not None:
        side = open_side("--training", asked.training, opening)
        if isinstance(side, sources.Source) and side.count is not None:
            return side
        raise UserError(
            "--training must be images, of which the nearest are shown. "
            f"Received: training={asked.training}"
        )
    if config is None:
        raise UserError("--what=nearest needs the images to search: give --training, or --run_dir.")
    training, _ = parts.splits(config)
    return sources.from_split(in_memory(training, config.image_size))


def _images(sampler, out, asked):
    folder = _place(out, _IMAGES)
    images = sampler(sampler.latents(asked.count))
    with whole_directory(folder, images.size) as aside:
        for name, image in zip(_names(asked.count), images, strict=True):
            pictures.write_png(aside / name, pictures.image_grid(image[None], gap=0))
    return f"{folder}, {asked.count} samples"


def _names(count):
    return [f"{i:05d}.png" for i in range(count)]


def _place(out, name):
    """Where one of `PICTURES` is written: single samples to a folder, all others to a file."""
    return through_links(out / (name if name == _IMAGES else f"{name}.png"))


def _check_place(out, name, asked):
    """Raises `UserError` if something would be lost where one of `PICTURES` is written."""
    place, read = _place(out, name), {"training": asked.training}
    if name != _IMAGES:
        check_file("out", place, read)
        return
    check_directory("out", place, read)
    rule = (
        f"{place} must be new, or of no other files than the {asked.count} samples that replace "
        f"them: remove it, or give another --out. Received: {place}"
    )
    check_replaced(rule, place, frozenset(_names(asked.count)).__contains__)


def _grid(sampler, out, asked):
    path = _place(out, "grid")
    pictures.write_png(path, pictures.image_grid(sampler(sampler.latents(asked.count))))
    return f"{path}, {asked.count} samples"


def _interpolations(sampler, out, asked):
    path, columns = _place(out, "interpolations"), asked.columns
    ends = sampler.latents(2 * asked.rows).numpy()
    rows = [_between(*ends[i : i + 2], np.linspace(0, 1, columns)) for i in range(0, len(ends), 2)]
    labels = None
    if sampler.classes is not None:  # A row is of one class.
        of_rows = np.resize(sampler.classes, asked.rows)
        labels = tf.constant(np.repeat(of_rows, columns), tf.int32)
    images = sampler.images(tf.constant(np.concatenate(rows), tf.float32), labels)
    pictures.write_png(path, pictures.image_grid(images, columns))
    return f"{path}, {asked.rows} rows of {columns}"


def _between(start, end, shares):
    """Latents (n, size) along the great circle, as their norms are those of normal ones."""
    cosine = start @ end / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    weights = np.stack([np.sin((1 - shares) * angle), np.sin(shares * angle)], 1) / np.sin(angle)
    return weights @ np.stack([start, end])


def _nearest(sampler, out, asked, training, features):
    """Draws each sample beside the training images of the least distance of features."""
    path = _place(out, "nearest")
    samples = sampler(sampler.latents(asked.rows))
    try:
        best = _search(samples, training, features, asked.columns - 1)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"The images of {training.name} cannot be searched: {of_memory(error) or reason(error)}"
        ) from error
    shown = []
    for sample, kept in zip(samples, best, strict=True):
        found = [_like(image, sample.shape) for image in kept]
        shown += [sample, *found, *[np.ones_like(sample)] * (asked.columns - 1 - len(found))]
    pictures.write_png(path, pictures.image_grid(np.stack(shown), asked.columns))
    return (
        f"{path}, samples and, in their rows, the nearest of {training.count:,} images of "
        f"{training.name} by {features.name} features"
    )


def _search(samples, training, features, count):
    """Of each sample the `count` images nearest to it, the nearest first: lists of images."""
    rows = features((np.clip(samples, -1, 1) + 1) * 127.5)[0].astype(np.float64)
    best = [[] for _ in samples]  # pairs of a squared distance and an image
    progress, done = Progress(f"images of {training.name}"), 0
    for images in (training.any_size or training.batches)(training.count):
        # Features depend on the size of the images, unless the network brings them to one.
        seen = images if features.resizes else _at_size(images, samples.shape[1:3])
        theirs = features(seen)[0].astype(np.float64)
        done += len(images)
        progress(done, training.count)
        for kept, row in zip(best, rows, strict=True):
            squared = np.sum((theirs - row) ** 2, 1)
            near = np.argsort(squared, kind="stable")[:count]
            kept += [(squared[i], images[i]) for i in near]
            kept.sort(key=lambda pair: pair[0])
            del kept[count:]
    return [[image for _, image in kept] for kept in best]


def _at_size(images, size):
    """Images (..., h, w, channels) at another (height, width)."""
    if images.shape[-3:-1] == size:
        return images
    return tf.image.resize(images, size, antialias=True).numpy()


def _like(image, shape):
    """An image in [0, 255] as one in [-1, 1] of another shape (h, w, channels)."""
    image = _at_size(np.asarray(image, np.float32), shape[:2]) / 127.5 - 1
    if image.shape[2] > shape[2]:
        return image.mean(2, keepdims=True)
    return np.broadcast_to(image, shape)


# What there is to draw, and how; nearest images are of a run, or of images that are given.
PICTURES = {
    "images": _images,
    "grid": _grid,
    "interpolations": _interpolations,
    "nearest": _nearest,
}
