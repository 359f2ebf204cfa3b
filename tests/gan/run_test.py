"""A run's batches: images as they are stored, with noise where that is in whole numbers."""

import dataclasses
import types

import numpy as np
import pytest

from gan.presets import PRESETS
from gan.run import Run
from harness.datasets import Images

CONFIG = dataclasses.replace(PRESETS["quickstart"], batch_size=4)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_noise_is_added_to_whole_numbers_alone(dtype):
    """Values in between are of resized images, and of the digits: they have no steps to fill."""
    pixels = np.full((8, 2, 2, 1), 51, dtype)
    run = Run(CONFIG)
    images = Images("flat", "train", pixels, np.zeros(8, np.int64), 1)
    run.parts = types.SimpleNamespace(training=images)
    run.session = types.SimpleNamespace(first=0)
    batch = next(run.batches())["images"].numpy()
    noise = batch - (51 / 127.5 - 1)
    if dtype == "float32":
        np.testing.assert_allclose(noise, 0, atol=1e-6)
    else:
        assert noise.min() >= -1e-6 and noise.max() <= 1 / 128 + 1e-6
        assert np.ptp(noise) > 1e-3
