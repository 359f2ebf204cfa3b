"""Times training steps of a classifier with one norm after another."""

import dataclasses
import functools
import statistics

import keras
import tensorflow as tf

from classify.experiments.timed import ALIKE, ARCHS, BASELINES
from classify.trainer import Trainer
from harness import sealed
from harness.errors import UserError
from harness.experiments.report import machine
from tfnorm.benchmark import timing


def time_steps(config, directory, product):
    """Times training steps in turns, and writes them as JSON.

    Args:
        config: a `timed.Timing`.
        directory: the `RunDirectory`, which begins when nothing is amiss.
        product: the file.
    """
    network = ARCHS[config.arch]
    shape, classes = (config.image_size, config.image_size, network.channels), network.num_classes
    images = tf.random.stateless_normal([config.batch_size, *shape], [config.seed, 0])
    labels = tf.random.stateless_uniform(
        [config.batch_size], [config.seed, 1], 0, classes, tf.int32
    )
    batch = {"images": images, "labels": labels}
    keras.utils.set_random_seed(config.seed)
    try:
        trainers = {
            key: Trainer(step_config, shape, classes, 1, tf.distribute.get_strategy())
            for key, step_config in config.configs().items()
        }
    except ValueError as error:
        raise UserError(str(error)) from error
    directory.begin(dataclasses.asdict(config))
    calls = {key: functools.partial(_step, trainer, batch) for key, trainer in trainers.items()}
    seconds = timing.interleaved(calls, config.rounds)
    bn, bare = (seconds[norm, ALIKE] for norm in BASELINES)
    rows = [
        {
            "norm": norm,
            "variant": variant,
            "seconds": statistics.median(own),
            "ratio": timing.ratio(own, bn).median,
            "share": 1.0 - timing.ratio(bare, own).median,
        }
        for (norm, variant), own in seconds.items()
    ]
    sealed.write(product, {"machine": machine(), "rows": rows}, indent=2)


def _step(trainer, batch):
    trainer.step(0, batch)
    tf.test.experimental.sync_devices()
