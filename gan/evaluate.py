"""Evaluates a trained generator: `python -m gan.evaluate --run_dir=DIR`."""

import json

import tensorflow as tf
from absl import flags

from gan import presets, run
from gan.latents import evaluation_samples
from gan.metrics.evaluation import describe, training_distance
from gan.metrics.features import load_features
from tfnorm.training import program
from tfnorm.training.program import UserError
from tfnorm.training.run_directory import RunDirectory, write_whole

USAGE = """
Measures the samples of a finished run against the test split of its dataset, writes the numbers to
evaluation.json in the run's directory, and prints them.

  python -m gan.evaluate --run_dir=runs/quickstart

A flag that is left out is as the run has it.
"""

FLAGS = ("dataset", "data_dir", "image_size", "features", "eval_samples", "seed")


def define_flags():
    """The flags of this program."""
    program.define_flag("run_dir", str, "Run", "Directory of a run that is complete; required.")
    program.define_flags(presets.Config, only=FLAGS)


def main():
    """Reads the flags, evaluates and prints."""
    if flags.FLAGS.run_dir is None:
        raise UserError("--run_dir is required: the directory of a run that is complete.")
    directory = RunDirectory(flags.FLAGS.run_dir)
    try:
        config = presets.Config(**directory.config())
    except (TypeError, ValueError) as error:
        raise UserError(f"{directory.path} does not fit this program: {error}") from error
    try:
        config = program.override(config, FLAGS)
    except ValueError as error:
        raise UserError(str(error)) from error
    sample = generator_samples(directory / "generator", config.seed)
    features = load_features(config.features)
    training, test = run.splits(config)
    reference = run.statistics(test, config, features)
    result = run.measure(sample, reference, features, config)
    real = run.statistics(training, config, features)
    result["training_distance"], comparison = training_distance(real, reference)
    print(describe(result))
    print(comparison)
    write_whole(directory / "evaluation.json", json.dumps(result, indent=2) + "\n")


def generator_samples(path, seed):
    """Samples of a generator's SavedModel.

    Args:
        path: a SavedModel with `serving_default(latent) -> images`, (n, d) to (n, h, w, channels)
            in [-1, 1].
        seed: of the latents.

    Returns:
        `f(count)`, a generator of batches of images.
    """
    try:
        # The function does not keep the variables alive: its holder does.
        holder = tf.saved_model.load(str(path))
        serve = holder.signatures["serving_default"]
        latent_size = serve.structured_input_signature[1]["latent"].shape[1]
    except (OSError, KeyError) as error:
        raise UserError(
            f"There is no generator in {path}, a SavedModel with serving_default(latent) -> "
            "images. A run writes it when it is complete: start it again to finish it."
        ) from error

    def generate(latent):
        return holder.signatures["serving_default"](latent=latent)["images"]

    return lambda count: evaluation_samples(generate, seed, latent_size, count)


if __name__ == "__main__":
    program.run(main, USAGE, define_flags)
