import dataclasses
import json

import numpy as np
import pytest

from gan.metrics import statistics
from gan.metrics.evaluation import (
    CHEAP,
    METRICS,
    compare,
    describe,
    evaluate,
    table,
    training_distance,
)
from gan.metrics.features import FeatureNetwork, load_features
from gan.metrics.frechet import frechet_distance, frechet_distance_of_features, moments
from gan.metrics.inception_score import inception_score
from gan.metrics.kernel_distance import kernel_distance
from gan.metrics.precision_recall import precision_recall
from gan.metrics.statistics import Statistics, gather, reference_statistics
from harness.datasets import load_images


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
        "inception_score": None,
        "inception_score_deviation": None,
        "inception_score_reason": "the features have no logits",
        "features": "means",
        "feature_count": 3,
        "generated": "samples",
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


def test_inception_score_of_the_samples():
    images = _images(30)
    result = evaluate(lambda n: iter([images[:7], images[7:]]), REFERENCE, _network(4), 30)
    expected = inception_score((images[:, 0, :4, 0] + 1) * 127.5)
    score = result["inception_score"], result["inception_score_deviation"]
    np.testing.assert_allclose(score, expected, rtol=1e-5)


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


@pytest.fixture
def sides():
    random = np.random.default_rng(0)
    made, real = random.normal(size=(2, 80, 4)).astype(np.float32)
    return (
        Statistics(*moments(made), 80, "runs", made[:60], (2.5, 0.25), [0.5, 0.5]),
        Statistics(*moments(real), 80, "toys test", real),
    )


def test_all_metrics(sides):
    made, real = sides
    result = compare(made, real, METRICS, seed=3)
    assert result["frechet_distance"] == frechet_distance(
        made.mean, made.covariance, real.mean, real.covariance
    )
    kernel = kernel_distance(made.rows, real.rows, seed=3)
    assert (result["kernel_distance"], result["kernel_distance_deviation"]) == kernel
    assert (result["precision"], result["recall"]) == precision_recall(made.rows, real.rows)
    assert (result["inception_score"], result["inception_score_deviation"]) == (2.5, 0.25)
    others = {
        "generated": "runs",
        "generated_count": 80,
        "generated_rows": 60,
        "reference": "toys test",
        "reference_count": 80,
        "reference_rows": 80,
        "class_shares": [0.5, 0.5],
        "feature_count": made.mean.size,
    }
    keys = [key for metric in METRICS.values() for key in metric.keys]
    assert result == {key: result[key] for key in keys} | others
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_some_metrics(sides):
    assert compare(*sides, ["precision_recall"]).keys() == {
        *("precision", "recall", "generated", "generated_count", "generated_rows"),
        *("reference", "reference_count", "reference_rows", "class_shares", "feature_count"),
    }
    assert CHEAP == ("frechet_distance", "inception_score")
    assert not {"generated_rows", "precision"} & compare(*sides).keys()


def test_a_metric_that_cannot_be_says_why(sides):
    file = Statistics(sides[1].mean, sides[1].covariance, None, "file")
    for made, real in [(file, sides[1]), (sides[0], file)]:
        result = compare(made, real, METRICS)
        assert result["precision"] is result["kernel_distance_deviation"] is None
        for name in ("kernel_distance", "precision_recall"):
            reason = "of file there are no features of single images"
            assert result[f"{name}_reason"] == reason
    assert result["inception_score"] == 2.5
    assert result["reference_count"] is None
    assert "no logits" in compare(file, file, METRICS)["inception_score_reason"]
    few = dataclasses.replace(sides[0], rows=sides[0].rows[:3])
    result = compare(few, sides[1], METRICS)
    assert result["precision_recall_reason"] == "it needs 4 images or more, and keeps 3"
    assert result["kernel_distance"] is not None


def test_one_subset_has_no_deviation(sides):
    result = compare(sides[1], sides[1], METRICS)
    assert result["kernel_distance_deviation"] is None
    assert result["kernel_distance_deviation_reason"] == "a subset is both sets as they are"
    json.dumps(result, allow_nan=False)
    assert result["precision"] == result["recall"] == 1
    assert result["frechet_distance"] == pytest.approx(0, abs=1e-9)


def test_other_features_are_refused(sides):
    other = Statistics(np.zeros(3), np.eye(3), None, "file")
    with pytest.raises(ValueError, match="Received: 4 and 3"):
        compare(sides[0], other)


def test_table(sides):
    result = compare(*sides, METRICS) | {"features": "digits"}
    lines = table(result).splitlines()
    assert lines[:3] == [
        "generated: runs, 80 images, 60 of them for neighbours and kernels",
        "reference: toys test, 80 images",
        "features: digits",
    ]
    rows = dict(line.split(maxsplit=1) for line in lines[5:12])
    # The names of JSON and TensorBoard, which have the deviations as numbers of their own.
    keys = [key for metric in METRICS.values() for key in metric.keys]
    assert list(rows) == [key for key in keys if not key.endswith("_deviation")]
    assert rows["inception_score"].split() == ["2.5", "0.25"]
    assert float(rows["kernel_distance"].split()[0]) == pytest.approx(
        result["kernel_distance"], rel=1e-3
    )
    assert lines[-1] == "Class shares by digits: 0:50.0% 1:50.0%"
    text = table(result | {"features": "tfgan_inception"})
    for name in ("frechet_distance (FID) ", "inception_score (IS) ", "kernel_distance (KID) "):
        assert f"\n{name}" in text
    file = Statistics(sides[1].mean, sides[1].covariance, None, "file")
    text = table(compare(file, file, METRICS) | {"features": None})
    assert "reference: file, statistics" in text
    assert "none  (of file there are no features of single images)" in text


def test_describe():
    result = {
        "frechet_distance": 12.3456,
        "features": "digits",
        "generated_count": 10000,
        "reference_count": 360,
        "reference": "digits test",
    }
    line = "frechet_distance 12.35 (digits features, 10000 generated, 360 real of digits test)"
    assert describe(result) == line
    shares = {"class_shares": [0.25, 0.75]}
    assert describe(result | shares) == f"{line}\nClass shares by digits: 0:25.0% 1:75.0%"
    score = {"inception_score": 4.5678, "inception_score_deviation": 0.1}
    assert "frechet_distance 12.35, inception_score 4.568 (digits" in describe(result | score)
    published = describe(result | score | {"features": "tfgan_inception"})
    assert published.startswith(
        "frechet_distance (FID) 12.35, inception_score (IS) 4.568 (tfgan_inc"
    )
    assert describe(result | {"inception_score": None}) == line
    assert "FID" not in describe(result | {"features": "tfgan_inception-0123"})
    assert describe(result | {"features": "tfgan_inception"}).startswith(
        "frechet_distance (FID) 12.35 ("
    )


@pytest.mark.parametrize("n, few", [(2, True), (3, False)])
def test_fewer_images_than_features(n, few):
    """A covariance of few images has no inverse, and its distance is too large: it is said."""
    result = evaluate(lambda n: iter([_images(n)]), REFERENCE, _network(), n)
    line = "Warning: 2 images of samples are fewer than the 3 features"
    assert (line in table(result)) is few
    small = dataclasses.replace(REFERENCE, count=n, name="toys train")
    said = training_distance(small, REFERENCE)[1]
    assert ("Warning: 2 images of toys train are fewer than" in said) is few


def test_few_images_are_compared_by_the_small_side(monkeypatch):
    """No covariance of all features is decomposed, and the value is that of decomposing them."""
    images = _images(60).reshape(60, -1)[:, :40]
    features = FeatureNetwork("rows", "0", lambda x: (_Array(x.numpy()[:, 0, :, 0]), None))
    few, many = (
        gather([(some[:, None, :, None] + 1) * 127.5], len(some), "toys", features)
        for some in (images[:9], images[9:])
    )
    assert few.factor is not None and many.factor is None
    expected = frechet_distance(few.mean, few.covariance, many.mean, many.covariance)
    monkeypatch.setattr(statistics, "frechet_distance", None)
    for pair in ((few, many), (many, few)):
        np.testing.assert_allclose(statistics.distance(*pair), expected, rtol=1e-9)
    assert statistics.distance(few, few) == pytest.approx(0, abs=1e-9 * expected)


@pytest.mark.parametrize("count, score_count", [(20, 30), (30, 20)])
def test_the_score_is_of_its_own_count(count, score_count):
    """The distance is of the first `count` images, the score of the first `score_count`."""
    images, asked = _images(30), []

    def sample(n):
        asked.append(n)
        return iter([images[:7], images[7:n]])

    network = _network(4)
    result = evaluate(sample, REFERENCE, network, count, score_count=score_count)
    alone = [evaluate(lambda n: iter([images[:n]]), REFERENCE, network, n) for n in (20, 30)]
    of_count, of_score = alone if count == 20 else reversed(alone)
    assert asked == [30] and result["generated_count"] == count
    assert result["frechet_distance"] == pytest.approx(of_count["frechet_distance"], rel=1e-9)
    assert result["class_shares"] == of_count["class_shares"]
    assert result["inception_score"] == pytest.approx(of_score["inception_score"], rel=1e-9)
    assert of_count["inception_score"] != pytest.approx(of_score["inception_score"], rel=1e-3)
    assert f"{count} generated ({score_count} for the score)" in describe(result)
    assert f"{score_count} for the score" in table(result)


@pytest.mark.parametrize("name, shown", [("digits", False), ("means", True)])
def test_digits_in_photographs_are_not_counted(name, shown):
    """The network of digits has no class for a photograph; grey images may have three channels."""
    network = _network(4)
    network.name = name
    images = _images(12)
    grey = np.broadcast_to(images[..., :1], images.shape)
    for some, expected in ((images, shown), (grey, True), (images[..., :1], True)):
        result = evaluate(lambda n, some=some: iter([some[:5], some[5:n]]), REFERENCE, network, 12)
        assert ("class_shares" in result) is ("Class shares" in describe(result)) is expected
