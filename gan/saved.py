"""What a run of `gan.train` has saved: its configuration and its generator."""

import dataclasses
import pathlib
import typing

import numpy as np
import tensorflow as tf

from gan.config import INCEPTION, Config
from gan.metrics.features import DIGITS
from harness import saved_models
from harness.errors import UserError
from harness.run.directory import RunDirectory


def run_config(run_dir):
    """The `Config` of the run in a directory; raises `UserError` if there is none."""
    known = RunDirectory(run_dir).config()
    names = {field.name for field in dataclasses.fields(Config)}
    if "dataset" not in known or set(known) - names:
        raise UserError(f"{run_dir} is not the directory of a run of gan.train.")
    try:
        return Config(**known)
    except (TypeError, ValueError) as error:
        raise UserError(f"{run_dir} does not fit this program: {error}") from error


def check_trust(run_dir, config):
    """Raises `UserError` if a run's `Config` names a feature network that is outside the run.

    A SavedModel can read and write files. The run's own generator is one, too, and is what a user
    names by --run_dir; where else its configuration leads, nobody need know.
    """
    run, path = pathlib.Path(run_dir).resolve(), pathlib.Path(config.features).resolve()
    if config.features not in (DIGITS, INCEPTION) and not path.is_relative_to(run):
        raise UserError(
            f"The config.json of {run_dir} names a feature network outside the run, which could "
            "write files if it is of somebody else: give --features, or --trust_config to use it. "
            f"Received: features={config.features!r}"
        )


class Generator(typing.NamedTuple):
    """A generator that was loaded.

    Attributes:
        generate: from latents (n, latent_size), and labels (n,) if `takes_labels`, to images
            (n, height, width, 1 or 3) in [-1, 1].
        latent_size: of a latent.
        takes_labels: whether it is conditional.
        size: (height, width) of its images, None if that is not fixed.
    """

    generate: typing.Callable
    latent_size: int
    takes_labels: bool
    size: tuple[int, int] | None


def load_generator(path):
    """The `Generator` of a SavedModel `serving_default(latent[, labels]) -> images`.

    Raises:
        UserError: there is none, or it is something else.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise UserError(
            f"There is no generator in {path}: a run writes it when it is complete. Start it again "
            "to finish it."
        )
    try:
        # The function does not keep the variables alive: its holder does.
        holder = saved_models.load(path)
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

    def generate(*values):
        names = ("latent", "labels")[: len(values)]
        serve = holder.signatures["serving_default"]
        try:
            return serve(**dict(zip(names, values, strict=True)))["images"]
        except tf.errors.InvalidArgumentError as error:
            if len(values) == 1:
                raise
            raise UserError(
                f"--num_classes must be as many as the generator in {path} has: it does not take "
                f"labels up to {np.max(values[1])}."
            ) from error

    size = tuple(size) if size.is_fully_defined() else None
    return Generator(generate, latent_size, "labels" in inputs, size)
