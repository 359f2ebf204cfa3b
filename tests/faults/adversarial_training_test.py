"""A short form of the adversarial training, and that it sees what is not finite."""

import numpy as np
import pytest

from tests.faults import adversarial_training


@pytest.mark.parametrize(
    "method, policy",
    [*(("cd", policy) for policy in adversarial_training.POLICIES), ("itn", "float32")],
)
def test_nothing_is_lost_to_hostile_batches(method, policy):
    outcome = adversarial_training.train(method, 16, policy, steps=60)
    assert outcome.steps == 60
    assert outcome.not_finite == 0
    # A float16 loss scale starts too high, and halves.
    assert outcome.left_out <= (8 if policy == "mixed_float16" else 0)
    assert outcome.largest < 100


def test_what_is_not_finite_is_counted(monkeypatch):
    def broken(step, *_):
        x = np.full((8, adversarial_training.CHANNELS), np.nan if step == 2 else 1.0, np.float32)
        return x, np.zeros(8, np.int32)

    monkeypatch.setattr(adversarial_training, "batch", broken)
    outcome = adversarial_training.train("cd", 16, "float32", steps=4)
    assert (outcome.not_finite, outcome.left_out, outcome.largest) == (1, 1, float("inf"))
