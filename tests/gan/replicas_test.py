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


RUN = """
import dataclasses, os, signal, sys
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from gan import presets, run
from gan.trainer import Trainer
from tfnorm.training.program import UserError
from tfnorm.training.run_directory import RunDirectory
from tfnorm.training.strategies import make_strategy

config = dataclasses.replace(
    presets.PRESETS["quickstart"], image_size=28, generator_filters=8, discriminator_filters=8,
    batch_size=16, steps=8, log_every=1, checkpoint_every=100, eval_every=100, eval_samples=50,
    strategy="mirrored",
)
strategy = make_strategy("mirrored")
directory = RunDirectory(sys.argv[1])
take_step = Trainer.step

def interrupted_step(self, step, batch):
    if step == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    return take_step(self, step, batch)

Trainer.step = interrupted_step
try:
    run.train(config, strategy, directory)
except UserError as error:
    print(error)
Trainer.step = take_step
run.train(config, strategy, directory)
"""


def test_a_run_of_two_replicas_is_interrupted_and_goes_on(tmp_path):
    run = tmp_path / "run"
    root = str(pathlib.Path(__file__).parents[2])
    answer = subprocess.run(
        [sys.executable, "-c", RUN, str(run)],
        env=os.environ | {"PYTHONPATH": root, "XDG_CACHE_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert "Interrupted at step 4 of 8" in answer.stdout
    assert "from step 4 of 8" in answer.stdout
    assert "The run is complete" in answer.stdout
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(9))
    assert [row["step"] for row in rows if "frechet_distance" in row] == [0, 8]
    assert (run / "generator" / "saved_model.pb").exists()
