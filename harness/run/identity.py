"""Holds a run to the images that it began with, by `data.json` in its directory."""

from harness import sealed
from harness.errors import UserError

NAME = "data.json"


def check_data(directory, facts):
    """Refuses other images than those that a run began with.

    Args:
        directory: the `RunDirectory`.
        facts: dict of strings, as `datasets.identity.identity` gives it; what was not kept, by
            an earlier version, is not compared.

    Raises:
        UserError: the images are others.
    """
    then = kept(directory) or {}
    differences = [
        f"{name}: {_short(then[name])} then, {_short(value)} now"
        for name, value in facts.items()
        if name in then and str(then[name]) != value
    ]
    if differences:
        raise UserError(
            f"{directory.path} holds a run on other images ({'; '.join(differences)}). Use another "
            "--run_dir, or the --data_dir of then."
        )


def keep_data(directory, facts, goes_on=False):
    """Keeps what the images are, where that is not there, incomplete or damaged.

    Args:
        directory, facts: as `check_data` takes them.
        goes_on: whether the run has taken steps before, on images of which that told.
    """
    if not directory.writes:
        return
    file, then = directory / NAME, kept(directory)
    if then is None and (goes_on or file.exists()):
        amiss = "damaged" if file.exists() else "not there"
        print(
            f"{file} is {amiss}, and written again. Whether the images are those that the run "
            "began with is not known."
        )
    if then is None or not facts.keys() <= then.keys():
        sealed.write(file, facts | (then or {}), indent=2)


def kept(directory):
    """What the images of the run are, a dict; None: that is not there, or damaged."""
    try:
        return sealed.read(directory / NAME)
    except (FileNotFoundError, ValueError):
        return None


def _short(value):
    value = str(value)
    return value if len(value) <= 200 else f"{value[:200]}..."
