"""Holds a run to the images that it began with."""

import json
import zlib

from classify.scalings import Scaling
from harness.errors import UserError
from harness.files import read_object, write_whole


def identity(parts):
    """What the images of `parts.Parts` are, in a dict: with other ones a run does not go on."""
    facts = {"num_classes": parts.training.num_classes}
    for name, images in (("train", parts.training), ("test", parts.test)):
        facts[f"{name}_images"] = len(images.labels)
        facts[f"{name}_labels_crc32"] = zlib.crc32(images.labels.tobytes())
    return facts


def check_data(directory, parts):
    """Refuses other images than those that a run began with.

    Args:
        directory: the `RunDirectory`.
        parts: the `parts.Parts` of the run.

    Raises:
        UserError: the images are others.
    """
    then = _kept(directory)
    differences = [
        f"{name}: {then.get(name)} then, {value} now"
        for name, value in identity(parts).items()
        if then is not None and then.get(name) != value
    ]
    if differences:
        raise UserError(
            f"{directory.path} holds a run on other images ({'; '.join(differences)}). Use another "
            "--run_dir, or the --data_dir of then."
        )


def keep_data(directory, parts):
    """Keeps what the images are, and how they are scaled, where that is not there, or damaged."""
    if not directory.writes:
        return
    scaling = directory / "scaling.npz"
    try:
        Scaling.load(scaling)
    except UserError as error:
        if scaling.exists():
            print(f"{error}: it is written again.")
        parts.scaling.save(scaling)
    file = directory / "data.json"
    if _kept(directory) is None:
        if file.exists():
            print(
                f"{file} is damaged, and written again. Whether the images are those that the run "
                "began with is not known."
            )
        write_whole(file, json.dumps(identity(parts), indent=2) + "\n")


def _kept(directory):
    """What the images of the run are, a dict; None: that is not there, or damaged."""
    try:
        return read_object(directory / "data.json")
    except (FileNotFoundError, ValueError):
        return None
