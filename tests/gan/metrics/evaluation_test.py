import json

import numpy as np
import pytest

from gan.metrics.evaluation import describe, evaluate
from gan.metrics.features import FeatureNetwork, load_features
from gan.metrics.frechet import frechet_distance_of_features
from gan.metrics.statistics import Statistics, reference_statistics
from tfnorm.training.datasets import load_images


def _network(classes=None):
    """Features: the mean of each channel, in [0, 255]; logits: the first pixels."""

    def function(images):
        means = images.numpy().mean((1, 2))
        logits = None if classes is None else _Array(images.numpy()[:, 0, :classes, 0])
        return _Array(means), logits

    return FeatureNetwork("means", "0", function)


class _Array(np.ndarray):
    def __new__(cls, values):
        return np.asarray(values).view(cls)

    def numpy(self):
        return np.asarray(self)


REFERENCE = Statistics(np.array([100.0, 110, 120]), np.diag([4.0, 9, 16]), 50, "toys test")


def _images(n, width=8):
    return np.random.default_rng(0).uniform(-1, 1, (n, 2, width, 3)).astype(np.float32)


def test_the_distance_is_that_of_all_images_scaled():
    images = _images(23) * 1.2  # Some out of [-1, 1], which are clipped.
    result = evaluate(lambda n: iter([images[:10], images[10:n]]), REFERENCE, _network(), 23)
    rows = ((np.clip(images.astype(np.float64), -1, 1) + 1) * 127.5).mean((1, 2))
    covariance = np.cov(rows.T)
    root = np.diag([2.0, 3, 4])
    trace = np.sqrt(np.linalg.eigvalsh(root @ covariance @ root)).sum()
    expected = np.sum((rows.mean(0) - [100, 110, 120]) ** 2) + np.trace(covariance) + 29 - 2 * trace
    np.testing.assert_allclose(result.pop("frechet_distance"), expected, rtol=1e-5)
    assert result == {
        "features": "means",
        "generated_count": 23,
        "reference_count": 50,
        "reference": "toys test",
    }


def test_class_shares():
    images = np.full((8, 2, 8, 1), -1, np.float32)
    images[:5, 0, 2] = 1
    images[5:, 0, 0] = 1
    sample = lambda n: iter([images[:3], images[3:]])  # noqa: E731
    result = evaluate(sample, REFERENCE, _network(4), 8)
    assert result["class_shares"] == [3 / 8, 0, 5 / 8, 0]
    assert json.loads(json.dumps(result)) == result


def test_many_classes_have_no_shares():
    result = evaluate(lambda n: iter([_images(n, 120)]), REFERENCE, _network(101), 4)
    assert "class_shares" not in result
    result = evaluate(lambda n: iter([_images(n, 120)]), REFERENCE, _network(100), 4)
    assert len(result["class_shares"]) == 100


def test_progress_and_count():
    seen = []
    batches = lambda n: iter(np.split(_images(6), 3))  # noqa: E731
    evaluate(batches, REFERENCE, _network(), 6, progress=lambda *step: seen.append(step))
    assert seen == [(2, 6), (4, 6), (6, 6)]
    with pytest.raises(ValueError, match="Received: 6, count=7"):
        evaluate(batches, REFERENCE, _network(), 7)


def test_diverged_generator():
    with pytest.raises(ValueError, match="`features` must be finite. Received: 12 of 12 values"):
        evaluate(lambda n: iter([_images(n) * np.nan]), REFERENCE, _network(), 4)


def test_real_digits_are_near_and_noise_is_far(tmp_path):
    network = load_features("digits")
    train, test = load_images("digits", "train"), load_images("digits", "test")
    reference = reference_statistics(test, 10000, network, tmp_path)

    def real(count):
        yield from np.array_split(train.images[:count] / 127.5 - 1, 7)

    def noise(count):
        yield np.random.default_rng(0).uniform(-1, 1, (count, 32, 32, 1))

    near = evaluate(real, reference, network, 1437)
    rows = [network(images.images)[0] for images in (train, test)]
    np.testing.assert_allclose(
        near["frechet_distance"], frechet_distance_of_features(*rows), rtol=1e-3
    )
    np.testing.assert_allclose(near["class_shares"], np.bincount(train.labels) / 1437, atol=0.005)
    assert near["reference_count"] == 360 and near["reference"] == "digits test"
    far = evaluate(noise, reference, network, 400)
    assert far["frechet_distance"] > 10 * near["frechet_distance"]


def test_describe():
    result = {
        "frechet_distance": 12.3456,
        "features": "digits",
        "generated_count": 10000,
        "reference_count": 360,
        "reference": "digits test",
    }
    line = "Fréchet distance 12.35 (digits features, 10000 generated, 360 real of digits test)"
    assert describe(result) == line
    shares = {"class_shares": [0.25, 0.75]}
    assert describe(result | shares) == f"{line}\nClass shares by digits: 0:25.0% 1:75.0%"
    assert "FID" not in describe(result | {"features": "tfgan_inception-0123"})
    assert describe(result | {"features": "tfgan_inception"}).startswith("FID 12.35 (tfgan_inc")
