"""The metrics as functions of images: what a set may be, and what it may not."""

import importlib
import sys

import numpy as np
import pytest
import tensorflow as tf

from gan import metrics
from gan.metrics import density_coverage as of_density
from gan.metrics.features import load_features
from gan.metrics.frechet import frechet_distance_of_features, moments
from gan.metrics.statistics import Statistics
from harness.datasets import load_images
from harness.errors import UserError

DIGITS = {"features": "digits"}


@pytest.fixture(scope="module")
def pair():
    """Two sets of 90 images, (90, 8, 8, 1) uint8."""
    images = np.rint(load_images("digits", "test", image_size=8).images).astype(np.uint8)
    return images[:90], images[90:180] // 2


@pytest.fixture(scope="module")
def rows(pair):
    network = load_features("digits")
    return [network(images)[0] for images in pair]


def test_arrays_of_images_and_of_features(pair, rows):
    expected = frechet_distance_of_features(*rows)
    assert metrics.frechet_distance(*pair, **DIGITS) == pytest.approx(expected, rel=1e-9)
    assert metrics.frechet_distance(rows[0], pair[1], **DIGITS) == pytest.approx(expected, rel=1e-9)
    assert metrics.frechet_distance(*rows) == pytest.approx(expected, rel=1e-9)
    made = Statistics(*moments(rows[0]), 90, "made")
    assert metrics.frechet_distance(made, rows[1]) == pytest.approx(expected, rel=1e-9)
    floats = [images.astype(np.float64) for images in pair]
    assert metrics.frechet_distance(*floats, **DIGITS) == pytest.approx(expected, rel=1e-6)


def test_every_metric_is_that_of_the_features(pair, rows):
    for name in ("kernel_distance", "precision_recall", "density_coverage"):
        of_images = getattr(metrics, name)(*pair, **DIGITS)
        of_rows = getattr(sys.modules[f"gan.metrics.{name}"], name)(*rows)
        np.testing.assert_allclose(of_images, of_rows, rtol=1e-6)
    logits = load_features("digits")(pair[0])[1]
    score = sys.modules["gan.metrics.inception_score"].inception_score
    shuffled = logits[np.random.default_rng(0).permutation(len(logits))]
    np.testing.assert_allclose(metrics.inception_score(pair[0], **DIGITS), score(shuffled))
    assert metrics.inception_score(logits) == score(logits)
    assert metrics.inception_score(pair[0], splits=1, **DIGITS) == pytest.approx(score(logits, 1))


def test_paths(pair, rows, tmp_path):
    """A folder, a file of images, a file of statistics and a split are what the program takes."""
    (tmp_path / "folder").mkdir()
    for i, image in enumerate(pair[0]):
        (tmp_path / f"folder/{i:03d}.png").write_bytes(tf.io.encode_png(image).numpy())
    np.savez(tmp_path / "images.npz", images=pair[1])
    mean, covariance = moments(rows[1])
    np.savez(tmp_path / "statistics.npz", mu=mean, sigma=covariance)
    expected = frechet_distance_of_features(*rows)
    for other in ("images.npz", "statistics.npz"):
        got = metrics.frechet_distance(tmp_path / "folder", str(tmp_path / other), **DIGITS)
        assert got == pytest.approx(expected, rel=1e-6)
    file = tmp_path / "statistics.npz"
    assert metrics.frechet_distance(file, file) < 1e-6  # no network is asked for
    few = metrics.precision_recall("digits:test", pair[1], count=30, image_size=8, **DIGITS)
    assert 0 <= min(few) <= max(few) <= 1
    with pytest.raises(ValueError, match="must be of images or features. Received: statistics"):
        metrics.kernel_distance(tmp_path / "folder", file, **DIGITS)


def test_few_images_are_warned_of(pair):
    with pytest.warns(UserWarning, match="40 images of `a` are fewer than the 64 features"):
        metrics.frechet_distance(pair[0][:40], pair[1], **DIGITS)


def test_mistakes(pair):
    few = pair[0] / 255
    mistakes = {
        "`a` must be in .0, 255.. Received: from 0 to 1": (few, pair[1]),
        "`b` must be in .0, 255.. Received: from -1": (pair[0], few * 2 - 1),
        r"`a` must be images .*shape=\(90, 8, 8\)": (pair[0][..., 0], pair[1]),
        "Received: 64 and 3": (np.ones([9, 64]), np.ones([9, 3])),
    }
    for message, sets in mistakes.items():
        with pytest.raises(ValueError, match=message):
            metrics.frechet_distance(*sets, **DIGITS)
    with pytest.raises(UserError, match="`a` must be one of .*Received: 'nowhere', which does not"):
        metrics.frechet_distance("nowhere", pair[1], **DIGITS)
    with pytest.raises(TypeError, match="Options are .*Received: imagesize=8"):
        metrics.frechet_distance(*pair, imagesize=8, **DIGITS)


def test_a_name_is_the_function_whatever_was_imported():
    """Modules of the same names are imported first, and do not take the place of functions."""
    for name in metrics.__all__:
        if name != "frechet_distance":
            assert importlib.import_module(f"gan.metrics.{name}") is not getattr(metrics, name)
        assert callable(getattr(metrics, name))
    assert callable(of_density)
