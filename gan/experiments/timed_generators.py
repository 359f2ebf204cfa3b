"""Times generators and training steps of a GAN with one norm after another."""

import dataclasses
import functools
import statistics

import keras
import tensorflow as tf

from gan import networks
from gan.experiments.timed import BASELINE, KINDS
from gan.trainer import Trainer
from harness import sealed
from harness.datasets import ImageKind
from harness.errors import UserError
from harness.experiments.report import machine
from harness.norm_names import parse_norm
from tfnorm.benchmark import timing
from tfnorm.functional import WHITENERS

KIND = ImageKind(channels=3, num_classes=10)


def time_generators(config, directory, product):
    """Times generator passes and training steps in turns, and writes them as JSON.

    Args:
        config: a `timed.Timing`.
        directory: the `RunDirectory`, which begins when nothing is amiss.
        product: the file.
    """
    devices = ["CPU", *["GPU"] * bool(tf.config.list_logical_devices("GPU"))]
    calls = {}
    for name in config.norms.split(","):
        for device in devices if _decomposes(name) else [None]:
            for kind, call in _calls(config, name, device).items():
                calls[name, device, kind] = call
    directory.begin(dataclasses.asdict(config))
    seconds = timing.interleaved(calls, config.rounds)
    rows = []
    for name, device in dict.fromkeys((name, device) for name, device, _ in calls):
        row = {"architecture": config.arch, "norm": name, "decomposed on": device}
        for kind in KINDS:
            own, base = seconds[name, device, kind], seconds[BASELINE, None, kind]
            row[f"{kind}, s"] = statistics.median(own)
            row[f"{kind}, {BASELINE}'s = 1"] = timing.ratio(own, base).median
        rows.append(row)
    sealed.write(product, {"machine": machine(), "rows": rows}, indent=2)


def _decomposes(name):
    """Whether a norm decomposes on a device that can be chosen."""
    norm = parse_norm(name)["norm"]
    return norm in WHITENERS and WHITENERS[norm].decomposes


def _calls(config, norm, device):
    """The calls to time, by their kind."""
    keras.utils.set_random_seed(config.seed)
    try:
        trainer = Trainer(
            config.trainer_config(norm, device and device.lower()),
            KIND,
            tf.distribute.get_strategy(),
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    size = config.image_size
    latent = tf.random.stateless_normal([config.batch_size, networks.LATENT_SIZE], [0, 0])
    shape = [1, config.batch_size, size, size, KIND.channels]
    batch = {"images": tf.random.stateless_uniform(shape, [0, 1], -1.0, 1.0)}

    @tf.function(autograph=False)
    def generate():
        return trainer.generator(latent, training=True)

    return {
        KINDS[0]: functools.partial(_finished, generate),
        KINDS[1]: functools.partial(_finished, functools.partial(trainer.step, 0, batch)),
    }


def _finished(call):
    call()
    tf.test.experimental.sync_devices()
