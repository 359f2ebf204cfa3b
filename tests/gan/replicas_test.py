"""Two replicas of half a batch, with synchronised normalization, train as one device does."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np

# A process of its own: logical devices are set before TensorFlow does anything else.
PROGRAM = """
import dataclasses, json
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from gan import presets
from gan.trainer import Trainer
from tfnorm.training.batches import input_fn
from tfnorm.training.datasets import Kind, load_images
from tfnorm.training.strategies import make_strategy

config = dataclasses.replace(
    presets.PRESETS["quickstart"], image_size=28, generator_filters=8, discriminator_filters=8,
    batch_size=16, n_dis=2, synchronized=True,
)
images = load_images("digits", "train", image_size=28)
for name in ("default", "mirrored"):
    strategy = make_strategy(name)
    trainer = Trainer(config, Kind(1, 10), strategy)
    batches = strategy.distribute_datasets_from_function(input_fn(images, 16, 2, config.seed))
    losses = [
        {key: float(value) for key, value in trainer.step(step, batch).items()}
        for step, batch in zip(range(5), batches)
    ]
    print(json.dumps([strategy.num_replicas_in_sync, losses]))
"""


def test_two_replicas_are_one_device_with_the_whole_batch():
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    (one, expected), (two, losses) = map(json.loads, answer.stdout.splitlines())
    assert (one, two) == (1, 2)
    for name in expected[0]:
        a, b = ([step[name] for step in steps] for steps in (expected, losses))
        assert np.ptp(a) > 1e-3
        np.testing.assert_allclose(b, a, atol=1e-4)
