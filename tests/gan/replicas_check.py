"""Two replicas of half a batch, with synchronised normalization, train as one device does."""

import json
import re

import numpy as np

# A process of its own: logical devices are set before TensorFlow does anything else.
PROGRAM = """
import dataclasses, os, signal, sys
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from gan import presets
from gan.run import Run
from gan.trainer import Trainer
from harness.errors import UserError

config = dataclasses.replace(
    presets.PRESETS["quickstart"], image_size=28, generator_filters=8, discriminator_filters=8,
    batch_size=16, synchronized=True, steps=6, log_every=1, checkpoint_every=100,
    eval_every=100, eval_samples=50,
)

def train(name):
    run = Run(dataclasses.replace(config, strategy=name), f"{sys.argv[1]}/{name}")
    print(run.strategy.num_replicas_in_sync, "replicas")
    run.train()

take_step = Trainer.step

def interrupted_step(self, step, batch):
    if step == 2:
        os.kill(os.getpid(), signal.SIGTERM)
    return take_step(self, step, batch)

train("default")
Trainer.step = interrupted_step
try:
    train("mirrored")
except UserError as error:
    print(error)
Trainer.step = take_step
train("mirrored")
"""


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_two_replicas_that_are_interrupted_are_one_device_with_the_whole_batch(call, tmp_path):
    code, out, error = call("-c", PROGRAM, tmp_path)
    assert code == 0, error
    assert re.findall(r"^(\d) replicas$", out, re.MULTILINE) == ["1", "2", "2"]
    assert "Interrupted at step 3 of 6" in out and "from step 3 of 6" in out
    expected, found = rows(tmp_path / "default"), rows(tmp_path / "mirrored")
    assert [row["step"] for row in found] == list(range(7))
    assert [row["step"] for row in found if "frechet_distance" in row] == [0, 6]
    for name in ("discriminator_loss", "generator_loss"):
        a, b = ([row[name] for row in history[1:]] for history in (expected, found))
        assert np.ptp(a) > 1e-3
        np.testing.assert_allclose(b, a, atol=1e-4)
    assert (tmp_path / "mirrored" / "generator" / "saved_model.pb").exists()
