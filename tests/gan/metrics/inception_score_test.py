import numpy as np
import pytest

from gan.metrics.inception_score import InceptionScore, inception_score
from gan.tfgan import tfgan


def _logits(n, classes=7, scale=3.0):
    return np.random.default_rng(0).normal(size=(n, classes)) * scale


def _brute_force(logits):
    """exp(E KL(p(y|x) || p(y))), a sample and a class at a time."""
    probabilities = [[np.exp(v) / sum(np.exp(row)) for v in row] for row in logits]
    marginal = [sum(column) / len(logits) for column in zip(*probabilities, strict=True)]
    divergences = [
        sum(p * (np.log(p) - np.log(m)) for p, m in zip(row, marginal, strict=True))
        for row in probabilities
    ]
    return np.exp(np.mean(divergences))


def test_splits_are_consecutive_and_the_deviation_is_over_them():
    logits = _logits(43)
    ends = [43 * i // 4 for i in range(5)]
    scores = [_brute_force(logits[a:b]) for a, b in zip(ends, ends[1:], strict=False)]
    expected = np.mean(scores), np.std(scores)
    np.testing.assert_allclose(inception_score(logits, splits=4), expected, rtol=1e-12)


def test_against_tensorflow_gan():
    logits = _logits(60)
    expected = tfgan.eval.classifier_score_from_logits(logits).numpy()
    assert expected.dtype == np.float64
    mean, deviation = inception_score(logits, splits=1)
    np.testing.assert_allclose(mean, expected, rtol=1e-12)
    assert deviation == 0


@pytest.mark.parametrize("size", [1, 3, 10, 43])
def test_parts_do_not_matter(size):
    logits = _logits(43)
    score = InceptionScore(43, splits=5)
    for start in range(0, 43, size):
        score.update(logits[start : start + size])
    np.testing.assert_allclose(score.result(), inception_score(logits, splits=5), rtol=1e-12)


def test_extremes():
    certain = np.eye(5)[np.arange(50) % 5]
    np.testing.assert_allclose(inception_score(certain * 1e4), (5, 0), atol=1e-12)
    np.testing.assert_allclose(inception_score(certain * 1e4 - 1e6), (5, 0), atol=1e-12)
    np.testing.assert_allclose(inception_score(np.ones([50, 5])), (1, 0), atol=1e-12)
    collapsed = np.full([50, 5], [0.0, -9e4, 3, 1e3, -2])
    np.testing.assert_allclose(inception_score(collapsed), (1, 0), atol=1e-12)


def test_the_logits_are_not_changed_and_float32_is_made_float64():
    logits = _logits(40).astype(np.float32)
    before = logits.copy()
    score = inception_score(logits)
    np.testing.assert_array_equal(logits, before)
    np.testing.assert_allclose(score, inception_score(logits.astype(np.float64)), rtol=1e-15)


def test_mistakes():
    mistakes = {
        "Received: count=9, splits=10": lambda: inception_score(_logits(9)),
        "Received: splits=0": lambda: inception_score(_logits(9), splits=0),
        "Received: features.shape=.40,.": lambda: inception_score(np.zeros(40)),
        "`logits` must be finite. Received: 7 of 280": lambda: inception_score(
            np.where(np.arange(40)[:, None] == 3, np.inf, _logits(40))
        ),
        "fewer logits.*Received: 9 of 10": lambda: _partial(9).result(),
        "more logits.*Received: 11 of 10": lambda: _partial(11),
    }
    for message, call in mistakes.items():
        with pytest.raises(ValueError, match=message):
            call()


def _partial(seen):
    score = InceptionScore(10)
    score.update(_logits(seen))
    return score
