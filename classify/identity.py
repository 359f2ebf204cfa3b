"""Holds a run to the images that it began with."""

import json
import zlib

from harness.errors import UserError
from harness.files import write_whole


def identity(parts):
    """What the images of `parts.Parts` are, in a dict: with other ones a run does not go on."""
    facts = {"num_classes": parts.training.num_classes}
    for name, images in (("train", parts.training), ("test", parts.test)):
        facts[f"{name}_images"] = len(images.labels)
        facts[f"{name}_labels_crc32"] = zlib.crc32(images.labels.tobytes())
    return facts


def check_data(directory, parts):
    """Keeps what the images are, and how they are scaled; refuses other images than at first.

    Args:
        directory: the `RunDirectory`.
        parts: the `parts.Parts` of the run.

    Raises:
        UserError: the images are others.
    """
    file = directory / "data.json"
    now = identity(parts)
    if not file.exists():
        if directory.writes:
            parts.scaling.save(directory / "scaling.npz")
            write_whole(file, json.dumps(now, indent=2) + "\n")
        return
    try:
        then = dict(json.loads(file.read_text()))
    except (TypeError, ValueError) as error:
        raise UserError(f"{file} is damaged: {error}. Use another --run_dir.") from error
    differences = [
        f"{name}: {then.get(name)} then, {value} now"
        for name, value in now.items()
        if then.get(name) != value
    ]
    if differences:
        raise UserError(
            f"{directory.path} holds a run on other images ({'; '.join(differences)}). Use another "
            "--run_dir, or the --data_dir of then."
        )
