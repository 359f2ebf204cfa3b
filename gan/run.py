"""A run: from a configuration to a directory with all that came of it."""

import dataclasses
import typing

import numpy as np
import tensorflow as tf

from gan import presets
from gan.metrics.evaluation import describe, evaluate, training_distance
from gan.metrics.features import FeatureNetwork, load_features
from gan.metrics.statistics import reference_statistics
from gan.trainer import Trainer
from harness.datasets import Images, image_kind, load_images
from harness.datasets.batches import input_fn
from harness.errors import Diverged, UserError
from harness.figures.lines import write_curves
from harness.files import whole_directory
from harness.run import actions
from harness.run.session import Session
from tfnorm.layers.sites import normalization_sites


class Parts(typing.NamedTuple):
    """What a run is made of."""

    trainer: Trainer
    training: Images
    test: Images
    features: FeatureNetwork


def prepare(config, strategy):
    """Makes all that a run needs before it begins, so that a mistake costs nothing.

    Raises:
        UserError: there is no such data, network or feature network.
    """
    trainer = make_trainer(config, strategy)
    training, test = splits(config)
    return Parts(trainer, training, test, load_features(config.features))


def make_trainer(config, strategy):
    """The `Trainer` for the images of the dataset; raises `UserError` if there cannot be one."""
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    kind = image_kind(config.dataset, config.data_dir)
    try:
        return Trainer(config, kind, strategy)
    except (ValueError, tf.errors.ResourceExhaustedError) as error:
        raise UserError(str(error)) from error


def splits(config):
    """The `Images` of the training and of the test split."""
    return [
        load_images(config.dataset, split, config.data_dir, config.image_size)
        for split in ("train", "test")
    ]


def statistics(images, config, features):
    """`Statistics` of the images that samples are compared with, and progress on the screen."""
    progress = actions.Progress(f"images of {images.name} {images.split}")
    try:
        return reference_statistics(images, config.eval_samples, features, progress=progress)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"The images of {images.name} {images.split} cannot be measured: {error}"
        ) from error


def measure(sample, reference, features, config):
    """`evaluate` with progress on the screen; raises `Diverged` at a sample that is not finite."""
    progress = actions.Progress("generated images")
    try:
        return evaluate(_finite(sample), reference, features, config.eval_samples, progress)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"The generator's samples cannot be measured: {error}") from error


def _finite(sample):
    def checked(count):
        for batch in sample(count):
            if not np.isfinite(batch).all():
                raise Diverged("The generator's samples are not finite: there is no distance.")
            yield batch

    return checked


def show(config, trainer):
    """Prints the configuration, and each network's size and normalizations."""
    for name, value in dataclasses.asdict(config).items():
        print(f"{name}: {value}")
    for model in (trainer.generator, trainer.discriminator):
        count = sum(int(tf.size(weight)) for weight in model.trainable_weights)
        print(f"\n{model.name}: {count:,} parameters")
        for site, kind, channels, group_size, recovery in normalization_sites(model):
            groups = f", groups of {group_size}" if group_size else ""
            recovery = f", {recovery}" if recovery else ""
            print(f"  {site}: {kind}, {channels} channels{groups}{recovery}")


def train(config, strategy, directory):
    """Trains as `config` says, from the start or from the last checkpoint, to the end.

    Args:
        config: a `presets.Config`.
        strategy: a `tf.distribute` strategy.
        directory: a `RunDirectory`.

    Raises:
        UserError: the run cannot begin, or was interrupted.
        Diverged: a loss, a weight or a sample is not finite.
    """
    settings = dataclasses.asdict(config)
    directory.check(settings, presets.FREE)
    if (directory / "generator").exists():
        print(f"The run in {directory.path} is complete: {config.steps} steps, see generator/.")
        return
    parts = prepare(config, strategy)
    reference = statistics(parts.test, config, parts.features)
    directory.begin(settings, presets.FREE)
    if directory.writes:
        show(config, parts.trainer)
        print()
    history = _loop(config, strategy, directory, parts, reference)
    if directory.writes:
        real = statistics(parts.training, config, parts.features)
        print(training_distance(real, reference)[1])
        _finish(parts.trainer, directory, history)


def _loop(config, strategy, directory, parts, reference):
    trainer = parts.trainer
    session = Session(directory, trainer, config.steps)
    samples = actions.Samples(directory, session.board, trainer.fixed_samples)
    evaluation = session.evaluation(
        lambda: measure(trainer.samples, reference, parts.features, config), describe
    )
    session.run(
        _batches(config, strategy, parts, session.first),
        [(config.eval_every, samples), (config.eval_every, evaluation)],
        config.log_every,
        config.checkpoint_every,
    )
    return session.history


def _batches(config, strategy, parts, first):
    images = parts.training
    make = input_fn(
        images,
        config.batch_size,
        config.n_dis,
        config.seed,
        first,
        dequantize=images.images.dtype == "uint8",
    )
    return iter(strategy.distribute_datasets_from_function(make))


def _grids(folder, count=4):
    """Sample grids from the first to the last, at most `count`, and the steps that they are of."""
    files = sorted(folder.glob("*.png"))
    chosen = {round(i * (len(files) - 1) / (count - 1)) for i in range(count)} if files else ()
    return [
        (f"step {int(files[i].stem)}", tf.io.decode_png(files[i].read_bytes()).numpy())
        for i in sorted(chosen)
    ]


def _finish(trainer, directory, history):
    """Draws the curves and writes the generator: a run that has one is complete."""
    panels = {
        "Losses": ["discriminator_loss", "generator_loss"],
        "Fréchet distance": ["frechet_distance"],
    }
    write_curves(
        directory / "curves.png",
        history.rows(),
        panels,
        logarithmic=["Fréchet distance"],
        pictures=_grids(directory / "samples"),
    )
    with whole_directory(directory / "generator") as aside:
        trainer.export(aside)
    print(f"The run is complete: see {directory.path}, its samples/, curves.png and generator/.")
