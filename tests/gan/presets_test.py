"""Configurations refuse what cannot be."""

import dataclasses

import pytest

from gan import presets
from gan.config import Config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", -1),
        ("n_dis", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("beta1", 1.0),
        ("beta2", -0.1),
        ("eval_samples", 1),
        ("log_every", 0),
        ("epsilon", -1),
        ("epsilon", float("nan")),
        ("norm_momentum", 7),
        ("learning_rate", float("inf")),
        ("group_size", 0),
        ("iterations", 0),
        ("generator_filters", 0),
        ("image_size", 0),
        ("seed", 2**31),
        ("steps", 2.5),
        ("batch_size", True),
        ("deterministic", 1),
    ],
)
def test_a_number_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}={value}"):
        dataclasses.replace(Config(), **{name: value})


def test_the_default_is_the_supplements_stability_setting():
    config = presets.PRESETS["cifar10_dcgan"]
    assert config.learning_rate in (1e-4, 2e-4, 1e-3)
    betas = (config.beta1, config.beta2, config.n_dis)
    assert betas in [(0, 0.9, 1), (0.5, 0.9, 5), (0.5, 0.999, 1), (0.5, 0.999, 5), (0.9, 0.999, 5)]
    assert (config.batch_size, config.steps, config.eval_samples) == (64, 100_000, 10_000)
    assert (config.generator_filters, config.discriminator_filters) == (256, 256)


def test_what_is_free_to_change_is_what_does_not_change_the_result():
    periods = {"log_every", "eval_every", "checkpoint_every"}
    # Feature networks, as images, are known by what they are.
    assert set(Config.free()) == {"data_dir", "features", "worker_timeout"} | periods
