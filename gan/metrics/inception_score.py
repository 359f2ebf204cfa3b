"""The Inception Score of the class probabilities of images, in NumPy and float64.

    score = exp(E_x KL(p(y|x) || p(y))),  p(y) = E_x p(y|x),

with natural logarithms. It is from 1 to the number of classes. The samples are cut into consecutive
splits of equal size; reported are the mean and the standard deviation (over the number of splits,
biased) of the splits' scores. Published ones are of 50,000 samples in 10 splits: it grows with the
samples in a split.

Reference: Salimans et al., "Improved Techniques for Training GANs", NIPS 2016,
https://arxiv.org/abs/1606.03498, section 4.
"""

import numpy as np

from gan.metrics import checks

SPLITS = 10


class InceptionScore:
    """The score of logits that come in parts; memory O(splits * classes), whatever their number.

    Split k of the n samples is those from floor(k n / splits) to before floor((k + 1) n / splits),
    k from 0 on, as in Salimans et al.'s code, so that the order counts.

    Args:
        count: number of samples n that there will be, at least `splits`.
        splits: number of splits, at least 1.
    """

    def __init__(self, count, splits=SPLITS):
        if splits < 1:
            raise ValueError(f"`splits` must be at least 1. Received: splits={splits}")
        if count < splits:
            raise ValueError(
                "The Inception Score needs a sample in each split. "
                f"Received: count={count}, splits={splits}"
            )
        self._ends = np.arange(1, splits + 1) * count // splits
        self._done = 0
        self._probabilities = None  # (splits, classes): sums of p(y|x)
        self._negative_entropies = np.zeros(splits)  # sums of sum_y p(y|x) log p(y|x)

    def update(self, logits):
        """Adds the next logits, (m, classes), finite."""
        logits = checks.rows(logits, "logits").astype(np.float64)
        if self._probabilities is None:
            self._probabilities = np.zeros([len(self._ends), logits.shape[1]])
        # The largest is subtracted: the exponentials of large logits overflow.
        logits -= logits.max(1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        probabilities = np.exp(logs)
        inside = np.searchsorted(self._ends, self._done + np.arange(len(logits)), side="right")
        self._done += len(logits)
        if self._done > self._ends[-1]:
            raise ValueError(
                f"There are more logits than samples. Received: {self._done} of {self._ends[-1]}"
            )
        for split in np.unique(inside):
            mine = probabilities[inside == split]
            self._probabilities[split] += mine.sum(0)
            self._negative_entropies[split] += np.sum(mine * logs[inside == split])

    def result(self):
        """Gives mean and standard deviation of the splits' scores, floats."""
        if self._done != self._ends[-1]:
            raise ValueError(
                f"There are fewer logits than samples. Received: {self._done} of {self._ends[-1]}"
            )
        sizes = np.diff(self._ends, prepend=0)
        marginal = self._probabilities / sizes[:, None]
        logs = np.log(marginal, where=marginal > 0, out=np.zeros_like(marginal))
        divergences = self._negative_entropies / sizes - np.sum(marginal * logs, 1)
        scores = np.exp(divergences)
        return float(scores.mean()), float(scores.std())


def inception_score(logits, splits=SPLITS):
    """Computes mean and standard deviation of the Inception Score over splits.

    Args:
        logits: (n, classes), finite, in the order in which the samples were made.
        splits: number of splits, at most n.

    Returns:
        `(mean, deviation)`, floats; the deviation of one split is 0.

    Raises:
        ValueError: if `logits` are of another shape, not finite, or fewer than `splits`.
    """
    score = InceptionScore(len(logits), splits)
    score.update(logits)
    return score.result()
