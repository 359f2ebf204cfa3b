"""Images are resized as Pillow does."""

import numpy as np
import pytest
from PIL import Image

from harness.datasets.in_memory import resize


@pytest.mark.parametrize(
    "height, width, size", [(40, 40, 16), (64, 31, 9), (20, 50, 32), (7, 9, 9)]
)
def test_resized_as_pillow_does(height, width, size):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((size, size), Image.BILINEAR))
    got = resize(pixels, size).numpy()
    # Pillow rounds after each axis.
    np.testing.assert_allclose(got, expected, atol=1.05)
    np.testing.assert_array_equal(resize(np.stack([pixels, pixels]), size)[1], got)
