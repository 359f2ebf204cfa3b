"""Trains a GAN: `python -m gan.train --preset=NAME --run_dir=DIR`."""

import dataclasses

import tensorflow as tf
from absl import flags

from gan import networks, presets
from gan.losses import LOSSES
from gan.metrics.evaluation import describe, evaluate, training_distance
from gan.metrics.features import load_features
from gan.metrics.statistics import reference_statistics
from gan.trainer import Trainer
from tfnorm.layers.batch_whitening import ESTIMATES
from tfnorm.layers.by_name import NORMS, RECOVERIES, normalization_sites
from tfnorm.training import actions, loop, plots, program
from tfnorm.training.batches import input_fn
from tfnorm.training.datasets import load_images
from tfnorm.training.program import UserError
from tfnorm.training.run_directory import History, RunDirectory, whole_directory
from tfnorm.training.strategies import STRATEGIES, is_chief, make_strategy

USAGE = """
Trains a GAN, measures its samples and writes everything to a directory.

  python -m gan.train --preset=quickstart --run_dir=runs/quickstart
  python -m gan.train --preset=cifar10_dcgan --data_dir=DATA_DIR --norm=zca --run_dir=runs/zca

The same command again goes on from the last checkpoint. A flag that is left out is as the preset
says; --dry_run shows what that is.
"""

CHOICES = {
    "arch": ["dcgan"],
    "variant": networks.VARIANTS,
    "norm": list(NORMS),
    "recovery": list(RECOVERIES),
    "estimate": ESTIMATES,
    "device": ["cpu", "gpu"],
    "loss": list(LOSSES),
    "strategy": list(STRATEGIES),
}

program.define_flag(
    "preset", str, "Run", "Configuration to start from; required.", list(presets.PRESETS)
)
program.define_flag("run_dir", str, "Run", "Directory of the run, its own; required.")
program.define_flags(presets.Config, CHOICES)
program.define_flag("dry_run", bool, "Run", "Show the configuration and the networks, and stop.")


def main():
    """Reads the flags and trains."""
    given = flags.FLAGS
    if given.preset is None:
        raise UserError(f"--preset is required: one of {', '.join(presets.PRESETS)}.")
    if given.run_dir is None and not given.dry_run:
        raise UserError("--run_dir is required: the directory that the run writes to.")
    try:
        config = program.override(presets.PRESETS[given.preset])
        strategy = make_strategy(config.strategy)
    except ValueError as error:
        raise UserError(str(error)) from error
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    if given.dry_run:
        show(config, *_prepared(config, strategy)[:1])
    else:
        train(config, strategy, RunDirectory(given.run_dir, writes=is_chief(strategy)))


def show(config, trainer):
    """Prints the configuration, and each network's size and normalizations."""
    for name, value in dataclasses.asdict(config).items():
        print(f"{name}: {value}")
    for model in (trainer.generator, trainer.discriminator):
        count = sum(int(tf.size(weight)) for weight in model.trainable_weights)
        print(f"\n{model.name}: {count:,} parameters")
        for site, kind, channels, group_size in normalization_sites(model):
            groups = f", groups of {group_size}" if group_size else ""
            print(f"  {site}: {kind}, {channels} channels{groups}")


def train(config, strategy, run):
    """Trains as `config` says, from the start or from the last checkpoint, to the end."""
    settings = dataclasses.asdict(config)
    run.check(settings, presets.FREE)
    if (run / "generator").exists():
        print(f"The run in {run.path} is complete: {config.steps} steps, generator in generator/.")
        return
    trainer, training, test, features = _prepared(config, strategy)
    reference = _statistics(test, config, features)
    run.begin(settings, presets.FREE)
    if run.writes:
        show(config, trainer)

    def measure():
        progress = actions.Progress("generated images")
        try:
            return evaluate(trainer.samples, reference, features, config.eval_samples, progress)
        except ValueError as error:
            raise UserError(f"The generator's samples cannot be measured: {error}") from error

    history = History(run)
    board = actions.Board(run / "events", run.writes)
    checkpoints = actions.Checkpoints(run, history, board, **trainer.state)
    first = checkpoints.restore()
    history.truncate(first)
    screen = actions.Screen(first, config.steps, quiet=not run.writes)
    samples = actions.Samples(run, board, trainer.fixed_samples)
    evaluation = actions.Evaluate(measure, describe, history, board, screen)
    if run.writes:
        screen.say(f"\nWriting to {run.path}, from step {first} of {config.steps}.")
        if first == 0:
            samples(0)
            evaluation(0)

    last = config.steps
    finite = actions.FiniteLosses([config.log_every, config.checkpoint_every], last)
    steps = [screen, finite]
    if run.writes:
        log = actions.Log(history, board, screen)
        steps += [
            actions.every(config.log_every, last, log),
            actions.every(config.eval_every, last, samples),
            actions.every(config.eval_every, last, evaluation),
        ]
    steps.append(actions.every(config.checkpoint_every, last, checkpoints))
    batches = strategy.distribute_datasets_from_function(
        input_fn(
            training,
            config.batch_size,
            config.n_dis,
            config.seed,
            first,
            dequantize=training.images.dtype == "uint8",
        )
    )

    def on_interrupt(step):
        finite.look()
        checkpoints(step)

    loop.run(trainer.step, iter(batches), steps, first, last, on_interrupt)
    screen.close()
    if run.writes:
        real = _statistics(training, config, features)
        print(training_distance(real, reference)[1])
        _finish(trainer, run, history)


def _prepared(config, strategy):
    """What a run needs before it begins, so that a mistake costs nothing."""
    training, test = (
        load_images(config.dataset, split, config.data_dir, config.image_size)
        for split in ("train", "test")
    )
    try:
        trainer = Trainer(config, training.images.shape[-1], strategy)
    except ValueError as error:
        raise UserError(str(error)) from error
    return trainer, training, test, load_features(config.features)


def _statistics(images, config, features):
    progress = actions.Progress(f"images of {images.name} {images.split}")
    return reference_statistics(images, config.eval_samples, features, progress=progress)


def _finish(trainer, run, history):
    """Draws the curves and writes the generator: a run that has one is complete."""
    panels = {
        "Losses": ["discriminator_loss", "generator_loss"],
        "Fréchet distance": ["frechet_distance"],
    }
    plots.write_curves(run / "curves.png", history.rows(), panels)
    with whole_directory(run / "generator") as aside:
        trainer.export(aside)
    print(f"The run is complete: see {run.path}, its samples/, curves.png and generator/.")


if __name__ == "__main__":
    program.run(main, USAGE)
