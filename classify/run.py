"""A run: from a configuration to a directory with all that came of it."""

import dataclasses
import json
import math

import tensorflow as tf

from classify import config as configs
from classify import inputs
from classify.covariate_shift import CovariateShift
from classify.export import export, export_folded
from classify.parts import prepare
from classify.trainer import Trainer
from harness.errors import Diverged, UserError
from harness.figures.lines import write_curves
from harness.files import whole_directory, write_whole
from harness.run.session import Session
from tfnorm.layers.sites import normalization_sites


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
    if all((directory / name).exists() for name in _products(config)):
        print(f"The run in {directory.path} is complete, see model/.")
        return
    parts = prepare(config, strategy, make_trainer)
    shift = _covariate_shift(config, parts)
    directory.begin(settings, configs.FREE)
    check_data(directory, parts)
    if directory.writes:
        show(parts.trainer)
        print(
            f"\n{len(parts.training.labels):,} training and {len(parts.test.labels):,} test "
            f"images, {parts.training.num_classes} classes; an epoch is {parts.epoch:,} steps."
        )
    history = _loop(config, strategy, directory, parts, shift)
    if directory.writes:
        _finish(config, directory, parts, history, shift)


def _products(config):
    """What a complete run has, the last to be written last."""
    return ["model_folded", "model"] if config.fold else ["model"]


def check_data(directory, parts):
    """Keeps what the images are, and how they are scaled; refuses other images than at first."""
    file = directory / "data.json"
    if not file.exists():
        if directory.writes:
            parts.scaling.save(directory / "scaling.npz")
            write_whole(file, json.dumps(parts.data, indent=2) + "\n")
        return
    try:
        known = dict(json.loads(file.read_text()))
    except (TypeError, ValueError) as error:
        raise UserError(f"{file} is damaged: {error}. Use another --run_dir.") from error
    differences = [
        f"{name}: {known.get(name)} then, {value} now"
        for name, value in parts.data.items()
        if known.get(name) != value
    ]
    if differences:
        raise UserError(
            f"{directory.path} holds a run on other images ({'; '.join(differences)}). Use another "
            "--run_dir, or the --data_dir of then."
        )


def _covariate_shift(config, parts):
    """The `CovariateShift` that is to be measured, or None."""
    if config.shift_estimators is None:
        return None
    return CovariateShift(config, parts.trainer.model, parts.training, parts.test, parts.scaling)


def _loop(config, strategy, directory, parts, shift):
    state = {} if shift is None else {"before": shift.before}
    session = Session(directory, parts.trainer, parts.steps, config.keep_checkpoints, **state)
    best = _Best(parts.trainer.model, directory, session.history)
    evaluation = session.evaluation(lambda: best(_measure(config, parts)), describe)
    periodic = [(config.eval_every or parts.epoch, evaluation)]
    if shift is not None:
        every = config.shift_every or parts.epoch
        measurement = session.evaluation(shift, shift.describe)

        def measure_shift(step, logs):
            # Not at the end of the run, where that is less than a period after the last.
            if step and step % every == 0:
                measurement(step)

        periodic.append((every, measure_shift))
    session.run(
        _batches(config, strategy, parts, session.first),
        periodic,
        config.log_every,
        config.checkpoint_every,
    )
    return session.history


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
        if not math.isfinite(result["test_loss"]):
            raise Diverged(
                f"The loss on test images is {result['test_loss']}: the run stops. A smaller "
                "learning rate may help."
            )
        if result["test_accuracy"] > self._accuracy:
            self._accuracy = result["test_accuracy"]
            aside = self._directory / ".best.keras"
            self._model.save(aside)
            aside.replace(self._directory / "best.keras")
        return result


def _finish(config, directory, parts, history, shift):
    """Draws the curves and writes the model: a run that has one is complete."""
    panels = {
        "Cross-entropy (nats)": ["loss", "test_loss"],
        "Accuracy": ["accuracy", "test_accuracy"],
    }
    panels |= shift.panels() if shift else {}
    write_curves(directory / "curves.png", history.rows(), panels)
    model, scaling = parts.trainer.model, parts.scaling
    if config.fold:
        images = next(iter(_test_batches(config, parts)))["images"][:64]
        with whole_directory(directory / "model_folded") as aside:
            folded, difference = export_folded(model, scaling, aside, images)
        count, left = (len(normalization_sites(each)) for each in (model, folded))
        print(
            f"Folded {count - left} of {count} normalizations: the logits of {len(images)} images "
            f"differ by {difference:.1e}, relatively."
        )
    with whole_directory(directory / "model") as aside:
        export(model, scaling, aside)
    print(f"The run is complete: see {directory.path}, its curves.png and model/.")
