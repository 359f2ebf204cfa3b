"""Learning rates by step, against the authors' schedules written out by hand."""

import dataclasses
import math
import re

import pytest

from classify.config import Config
from classify.presets import IMAGENET, MLP, VGG
from classify.schedules import LEAST_RATE, learning_rate


def unitization(epoch):
    """Their callback, of epochs from 0."""
    if epoch <= 60:
        return 0.05
    if epoch <= 120:
        return 0.01
    if epoch <= 160:
        return 0.002
    return 0.0004


def every(period, factor, first):
    """StepLR."""
    return lambda epoch: first * factor ** (epoch // period)


def at(milestones, factor, first):
    """MultiStepLR."""
    return lambda epoch: first * factor ** sum(epoch >= milestone for milestone in milestones)


# The configuration, images, and the rate of an epoch.
AUTHORS = {
    "unitization": (Config(), 50_000, unitization),
    "vgg": (VGG, 50_000, at((60, 120), 0.2, 0.1)),
    "mlp": (MLP, 60_000, every(100, 0.2, 1.0)),
    "imagenet": (IMAGENET, 1_281_167, every(30, 0.1, 0.1)),
}


@pytest.mark.parametrize("name", AUTHORS)
def test_the_rate_falls_when_the_authors_does(name):
    config, images, authors_rate = AUTHORS[name]
    per_epoch = math.ceil(images / config.batch_size)
    epochs = int(config.epochs)
    rate = learning_rate(config, epochs * per_epoch)
    seen = set()
    for epoch in range(epochs):
        for step in (epoch * per_epoch, (epoch + 1) * per_epoch - 1):
            assert float(rate(step)) == pytest.approx(authors_rate(epoch), rel=1e-5), (epoch, step)
        seen.add(authors_rate(epoch))
    assert len(seen) > 1


@pytest.mark.parametrize("steps", [7, 200])
def test_it_stretches_over_the_run(steps):
    rate = learning_rate(Config(), steps)
    for step in range(steps):
        # Epochs of 1/200 of the run; one begins where its share is reached.
        expected = unitization(math.floor(200 * step / steps))
        assert float(rate(step)) == pytest.approx(expected, rel=1e-5), step


def test_a_run_of_one_step_takes_the_first_rate():
    assert float(learning_rate(Config(), 1)(0)) == pytest.approx(0.05)


@pytest.mark.parametrize(("first", "steps"), [(0.1, 500_500), (0.4, 10)])
def test_the_cosine_falls_to_the_least_rate(first, steps):
    config = dataclasses.replace(IMAGENET, schedule="cosine", learning_rate=first)
    rate = learning_rate(config, steps)
    for step in (0, steps // 5, steps // 2, steps - 1, steps):
        # CosineAnnealingLR with eta_min=1e-5.
        expected = 1e-5 + (first - 1e-5) * (1 + math.cos(math.pi * step / steps)) / 2
        assert float(rate(step)) == pytest.approx(expected, rel=1e-4, abs=1e-8)
    assert float(rate(steps // 2)) == pytest.approx((first + 1e-5) / 2, rel=1e-4)


def test_the_help_has_the_least_rate():
    text = Config.__dataclass_fields__["schedule"].metadata["help"]
    (rate,) = re.findall(r"smoothly to (\S+);", text)
    assert float(rate) == LEAST_RATE


def test_the_cosine_does_not_rise_from_a_smaller_rate():
    rate = learning_rate(dataclasses.replace(IMAGENET, schedule="cosine", learning_rate=1e-6), 10)
    assert [float(rate(step)) for step in (0, 5, 10)] == pytest.approx([1e-6] * 3)


def test_the_constant_is():
    config = dataclasses.replace(Config(), schedule="constant", learning_rate=0.3)
    assert learning_rate(config, 10) == 0.3
