"""A run: from a configuration to a directory with all that came of it."""

import dataclasses
import time
import typing

import tensorflow as tf

from classify import config as configs
from classify import inputs
from classify.augmentations import AUGMENTATIONS, CHANNELS
from classify.export import export, export_folded
from classify.scalings import Scaling, make_scaling
from classify.trainer import Trainer
from tfnorm.layers.sites import normalization_sites
from tfnorm.training import actions, loop, plots, timing
from tfnorm.training.datasets import (
    EncodedImages,
    Images,
    image_kind,
    load_images,
    stream_images,
)
from tfnorm.training.program import Diverged, UserError
from tfnorm.training.run_directory import History, whole_directory
from tfnorm.training.strategies import agreement


class Parts(typing.NamedTuple):
    """What a run is made of.

    Attributes:
        steps: of the run.
        epoch: steps in an epoch, at least 1.
    """

    trainer: Trainer
    training: Images | EncodedImages
    test: Images | EncodedImages
    scaling: Scaling
    steps: int
    epoch: int


def prepare(config, strategy, make_trainer=Trainer):
    """Makes all that a run needs before it begins, so that a mistake costs nothing.

    Args:
        config: a `config.Config`.
        strategy: a `tf.distribute` strategy.
        make_trainer: `Trainer`, or what an experiment has in its place.

    Raises:
        UserError: there is no such data or network.
    """
    training, test = (open_split(config, split) for split in ("train", config.test_split))
    if test.num_classes != training.num_classes:
        raise UserError(
            f"The splits of {config.dataset} must have the same classes. Received: "
            f"{training.num_classes} in train, {test.num_classes} in {config.test_split}"
        )
    training = _first(training, config.train_size)
    if isinstance(training, Images):
        shape = training.images.shape[1:]
    else:
        shape = (config.image_size, config.image_size, CHANNELS)
    try:
        scaling = make_scaling(config.input_scaling, training)
        scaling(tf.zeros(shape))  # fails here if it is of other images
    except ValueError as error:
        raise UserError(str(error)) from error
    count = len(training.labels)
    steps = config.steps or max(1, round(config.epochs * count / config.batch_size))
    trainer = _make(make_trainer, config, shape, training.num_classes, steps, strategy)
    return Parts(trainer, training, test, scaling, steps, max(1, round(count / config.batch_size)))


def describe_network(config, strategy):
    """The `Trainer` for a dataset's images, which need not be there if their size is known."""
    kind = image_kind(config.dataset, config.data_dir)
    streamed = _is_streamed(config)
    size = kind.size if config.image_size is None else (config.image_size, config.image_size)
    if size is None:
        raise UserError(
            f"The images of {config.dataset} differ in size: give the one to use as --image_size."
        )
    shape = (*size, CHANNELS if streamed else kind.channels)
    return _make(Trainer, config, shape, kind.num_classes, config.steps or 1, strategy)


def _make(make_trainer, config, *arguments):
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    try:
        return make_trainer(config, *arguments)
    except (ValueError, tf.errors.ResourceExhaustedError) as error:
        raise UserError(str(error)) from error


def _is_streamed(config):
    """Whether images are decoded as they are read."""
    if config.augmentation not in AUGMENTATIONS:
        raise UserError(
            f"`augmentation` must be one of {list(AUGMENTATIONS)}. "
            f"Received: augmentation={config.augmentation!r}"
        )
    return AUGMENTATIONS[config.augmentation].decodes


def open_split(config, split):
    """The `Images` of a split, or `EncodedImages` where they are cropped as they are read."""
    if not _is_streamed(config):
        return load_images(config.dataset, split, config.data_dir, config.image_size)
    if config.image_size is None:
        raise UserError(f"--augmentation={config.augmentation} needs --image_size.")
    progress = actions.Progress(f"files of {config.dataset} {split}")
    return stream_images(config.dataset, split, config.data_dir, progress)


def _first(images, count):
    """The first images, or all if `count` is None."""
    if count is None:
        return images
    there = len(images.labels)
    if count > there:
        raise UserError(
            f"--train_size is at most the {there} images of {images.name} {images.split}. "
            f"Received: train_size={count}"
        )
    fields = {"labels": images.labels[:count]}
    if isinstance(images, Images):
        fields["images"] = images.images[:count]
    return dataclasses.replace(images, **fields)


def show(trainer):
    """Prints the configuration, and the network's size and normalizations."""
    for name, value in dataclasses.asdict(trainer.config).items():
        print(f"{name}: {value}")
    count = sum(int(tf.size(weight)) for weight in trainer.model.trainable_weights)
    print(f"\n{trainer.model.name}: {count:,} parameters")
    for site, kind, channels, group_size, recovery in normalization_sites(trainer.model):
        groups = f", groups of {group_size}" if group_size else ""
        recovery = f", {recovery}" if recovery else ""
        print(f"  {site}: {kind}, {channels} channels{groups}{recovery}")


def train(config, strategy, directory, make_trainer=Trainer):
    """Trains as `config` says, from the start or from the last checkpoint, to the end.

    Args:
        config: a `config.Config`.
        strategy: a `tf.distribute` strategy.
        directory: a `RunDirectory`.
        make_trainer: see `prepare`.

    Raises:
        UserError: the run cannot begin, or was interrupted.
        Diverged: a loss or a weight is not finite.
    """
    settings = dataclasses.asdict(config)
    directory.check(settings, configs.FREE)
    if (directory / "model").exists():
        print(f"The run in {directory.path} is complete, see model/.")
        return
    parts = prepare(config, strategy, make_trainer)
    directory.begin(settings, configs.FREE)
    if directory.writes:
        show(parts.trainer)
        print(
            f"\n{len(parts.training.labels):,} training and {len(parts.test.labels):,} test "
            f"images, {parts.training.num_classes} classes; an epoch is {parts.epoch:,} steps."
        )
        parts.scaling.save(directory / "scaling.npz")
    history = _loop(config, strategy, directory, parts)
    if directory.writes:
        _finish(config, directory, parts, history)


def _loop(config, strategy, directory, parts):
    trainer, last = parts.trainer, parts.steps
    eval_every = config.eval_every or parts.epoch
    history = History(directory)
    board = actions.Board(directory / "events", directory.writes)
    checkpoints = actions.Checkpoints(directory, history, board, **trainer.state)
    first = checkpoints.restore()
    history.truncate(first if first else -1)
    if directory.writes:
        board.restart(history.rows())
    screen = actions.Screen(first, last, quiet=not directory.writes)
    finite = actions.FiniteLosses([config.log_every, config.checkpoint_every, eval_every], last)
    doings = [screen, finite]
    if directory.writes:
        best = _Best(trainer.model, directory, history)
        evaluate = actions.Evaluate(
            lambda: best(_measure(config, parts)), describe, history, board, screen
        )
        screen.say(f"Writing to {directory.path}, from step {first} of {last}.")
        if first == 0:
            evaluate(0)
        doings += [
            actions.every(config.log_every, last, actions.Log(history, board, screen)),
            actions.every(eval_every, last, evaluate),
        ]

    def save(step, logs=None):
        finite.look()
        if not trainer.is_finite():
            raise Diverged(
                f"A weight is not finite after step {step}: the run stops, and its last checkpoint "
                "is from before. A smaller learning rate may help."
            )
        checkpoints(step)

    doings.append(actions.every(config.checkpoint_every, last, save))
    batches = timing.Waiting(_batches(config, strategy, parts, first))
    start = time.monotonic()
    loop.run(trainer.step, batches, doings, first, last, save, agreement(strategy))
    screen.close()
    if last > first:
        share = batches.seconds / (time.monotonic() - start)
        screen.say(f"Of the time, {share:.2%} was spent waiting for data.")
    return history


def _batches(config, strategy, parts, first):
    make = inputs.training_input_fn(
        parts.training,
        config.batch_size,
        config.augmentation,
        parts.scaling,
        image_size=config.image_size,
        seed=config.seed,
        first_step=first,
    )
    batches = strategy.distribute_datasets_from_function(make)
    return inputs.attributed(
        batches, parts.training, config.batch_size, seed=config.seed, first_step=first
    )


def _measure(config, parts):
    result = parts.trainer.evaluate(_test_batches(config, parts))
    return {name: value for name, value in result.items() if isinstance(value, float)}


def _test_batches(config, parts):
    return evaluation_batches(parts.test, parts.scaling, config.image_size)


def evaluation_batches(images, scaling, image_size=None, batch_size=200):
    """`inputs.evaluation_batches`, where an image that cannot be decoded is named."""
    batches = inputs.evaluation_batches(images, scaling, batch_size, image_size)
    return inputs.attributed(batches, images, batch_size)


def describe(result):
    """An evaluation in a line."""
    return (
        f"test accuracy {result['test_accuracy']:.2%} (first five "
        f"{result['test_top5_accuracy']:.2%}), loss {result['test_loss']:.4f}"
    )


class _Best:
    """Keeps the network of the best evaluation as `best.keras`, without its input scaling."""

    def __init__(self, model, directory, history):
        self._model = model
        self._directory = directory
        self._accuracy = max(
            (row.get("test_accuracy", -1.0) for row in history.rows()), default=-1.0
        )

    def __call__(self, result):
        if result["test_accuracy"] > self._accuracy:
            self._accuracy = result["test_accuracy"]
            aside = self._directory / ".best.keras"
            self._model.save(aside)
            aside.replace(self._directory / "best.keras")
        return result


def _finish(config, directory, parts, history):
    """Draws the curves and writes the model: a run that has one is complete."""
    panels = {
        "Cross-entropy (nats)": ["loss", "test_loss"],
        "Accuracy": ["accuracy", "test_accuracy"],
    }
    plots.write_curves(directory / "curves.png", history.rows(), panels)
    model, scaling = parts.trainer.model, parts.scaling
    if config.fold:
        images = next(iter(_test_batches(config, parts)))["images"][:64]
        with whole_directory(directory / "model_folded") as aside:
            difference = export_folded(model, scaling, aside, images)
        print(f"Folded: the logits of {len(images)} images differ by {difference:.1e}, relatively.")
    with whole_directory(directory / "model") as aside:
        export(model, scaling, aside)
    print(f"The run is complete: see {directory.path}, its curves.png and model/.")
