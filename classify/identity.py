"""What identifies the images of a classifier's run, and their classes."""

import dataclasses
import json
import pathlib

import numpy as np

from classify.scalings import Scaling
from harness.datasets.identity import identity
from harness.datasets.taking import first, some
from harness.errors import UserError, some_of
from harness.files import read_object
from harness.run.identity import NAME, kept

# Of a SavedModel, what is the user's own.
NAMES = pathlib.Path("assets.extra", "classes.json")
_SUBSET = "train_subset"
# How `train_size` images are taken: of images, their number and a seed.
SUBSETS = {
    "random": some,
    "first": lambda images, count, seed: first(images, count),
}


def facts(parts, subset):
    """What the images of `parts.Parts`, a `subset_of` the data's, are, a dict of strings."""
    return identity(train=parts.training, test=parts.test) | {_SUBSET: subset}


def subset_of(directory):
    """Which images are the `train_size` of a run, a key of `SUBSETS`.

    Args:
        directory: the `RunDirectory`; None for a run without.
    """
    known = kept(directory) if directory is not None else None
    if known is None:
        return "random"
    subset = known.get(_SUBSET, "first")  # Earlier versions did not say.
    return subset if subset in SUBSETS else "random"


def keep_scaling(directory, parts):
    """Keeps how images are scaled, where that is not there, or damaged."""
    if not directory.writes:
        return
    scaling = directory / "scaling.npz"
    try:
        Scaling.load(scaling)
    except UserError as error:
        if scaling.exists():
            print(f"{error}: it is written again.")
        parts.scaling.save(scaling)


def known_classes(path, directory=None):
    """The names of the classes of a SavedModel or a run, a list; None if nothing tells them.

    Args:
        path: of the SavedModel, or best.keras.
        directory: the `RunDirectory` of the run that it is of, or None.
    """
    try:
        return read_object(pathlib.Path(path) / NAMES)["classes"]
    except (OSError, ValueError, KeyError):
        pass
    if directory is None:
        return None
    known = kept(directory)
    try:
        if known is None and (directory / NAME).exists():
            raise ValueError("it is not what was written")
        return json.loads(known["classes"]) if known and "classes" in known else None
    except ValueError as error:
        raise UserError(
            f"{directory / NAME} is damaged, and does not tell the names of the classes: {error}. "
            "Put it back from a copy; without it classes are taken as they are numbered."
        ) from error


def by_names(images, known):
    """Numbers the classes of images as a classifier does that knows them by name.

    Args:
        images: `Images` or `EncodedImages`.
        known: names of the classifier's classes in its order; None leaves the images as they are.

    Raises:
        UserError: an image is of a class that the classifier does not know.
    """
    names = images.class_names
    if known is None or names is None or list(names) == list(known):
        return images
    unknown = [names[label] for label in np.unique(images.labels) if names[label] not in known]
    if unknown:
        raise UserError(
            f"The classes of {images.name} {images.split} must be among those that the classifier "
            f"knows, {some_of(known)}. Received: {some_of(unknown)}"
        )
    numbers = np.array([known.index(name) if name in known else -1 for name in names])
    return dataclasses.replace(
        images,
        labels=numbers[images.labels].astype(np.int64),
        num_classes=len(known),
        class_names=tuple(known),
    )
