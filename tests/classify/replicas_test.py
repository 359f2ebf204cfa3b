"""Two replicas of half a batch train as one device does, where statistics are synchronised."""

import json

import numpy as np
import pytest

# A process of its own: logical devices are set before TensorFlow does anything else. And one for
# all, as in a sweep: networks of other shapes share a strategy's collective operations.
PROGRAM = """
import dataclasses, json
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from classify.inputs import training_input_fn
from classify.presets import PRESETS
from classify.run import Run
from harness.errors import UserError
from harness.run.strategies import make_strategy

base = dataclasses.replace(
    PRESETS["quickstart"], width=8, depth=2, group_size=4, batch_size=16, recovery="scale_shift",
    sgd_momentum=0.9, nesterov=True, weight_decay=0.1, learning_rate=0.05, steps=10,
)
found = {}
for norm, synchronized in (("none", False), ("bn", True), ("itn", True), ("itn", False)):
    config = dataclasses.replace(base, norm=norm, synchronized=synchronized)
    alone = [] if (norm, synchronized) == ("itn", False) else ["default"]
    for name in (*alone, "mirrored"):
        strategy = make_strategy(name)
        run = Run(config, strategy=strategy)
        run.prepare()
        parts = run.parts
        batches = strategy.distribute_datasets_from_function(
            training_input_fn(parts.training, 16, "none", parts.scaling, seed=config.seed)
        )
        logs = [
            {key: float(value) for key, value in parts.trainer.step(step, batch).items()}
            for step, batch in zip(range(5), batches)
        ]
        weights = [weight.numpy().tolist() for weight in parts.trainer.model.weights]
        of_run = found.setdefault(f"{norm} {synchronized}", [])
        of_run.append([strategy.num_replicas_in_sync, logs, weights])
try:
    Run(dataclasses.replace(base, batch_size=7), strategy=make_strategy("mirrored")).prepare()
except UserError as error:
    found["odd"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(call):
    code, out, error = call("-c", PROGRAM)
    assert code == 0, error
    return json.loads(out.splitlines()[-1])


def difference(found, name):
    """The largest difference of a weight, moving statistics included, and of the logs."""
    (one, logs, weights), (two, own_logs, own_weights) = found[name]
    assert (one, two) == (1, 2)
    assert np.ptp([step["loss"] for step in logs]) > 1e-3
    of_logs = [abs(a[key] - b[key]) for a, b in zip(logs, own_logs, strict=True) for key in a]
    pairs = zip(weights, own_weights, strict=True)
    return max(np.abs(np.subtract(a, b)).max() for a, b in pairs), max(of_logs)


@pytest.mark.parametrize("name", ["none False", "bn True", "itn True"])
def test_two_replicas_are_one_device_with_the_whole_batch(found, name):
    of_weights, of_logs = difference(found, name)
    assert of_weights < 1e-4
    assert of_logs < 1e-4


def test_replicas_that_are_not_synchronised_are_not(found):
    found["itn False"].insert(0, found["itn True"][0])
    assert difference(found, "itn False")[0] > 1e-3


def test_replicas_share_a_batch_equally(found):
    assert "Received: batch_size=7" in found["odd"]
