"""What a run of `classify.train` has saved: its configuration and its best network."""

import dataclasses
import pathlib

import keras

from classify.config import Config
from classify.experiments import two_estimates  # noqa: F401 - its layer may be in a best.keras
from classify.scalings import Scaling
from harness.datasets.damage import reason
from harness.errors import UserError
from harness.run.directory import RunDirectory


def run_config(run_dir):
    """The `Config` of the run in a directory."""
    known = RunDirectory(run_dir).config()
    names = {field.name for field in dataclasses.fields(Config)}
    if "dataset" not in known or set(known) - names:
        raise UserError(f"{run_dir} is not the directory of a run of classify.train.")
    try:
        return Config(**known)
    except (TypeError, ValueError) as error:
        raise UserError(f"{run_dir} does not fit this program: {error}") from error


def best_path(run_dir):
    """Where the network of a run's best evaluation is; raises `UserError` if there is none."""
    path = pathlib.Path(run_dir) / "best.keras"
    if not path.exists():
        raise UserError(f"The run has not been evaluated. There is no {path}.")
    return path


def best_network(run_dir):
    """The Keras model of a run's best evaluation, and the `Scaling` of its input."""

    path = best_path(run_dir)
    try:
        model = keras.models.load_model(path)
    except Exception as error:  # Damaged files surface as one of many types.
        raise UserError(f"{path} cannot be read: {reason(error)}") from error
    return model, Scaling.load(path.with_name("scaling.npz"))
