"""How much a normalised sample depends on the mini-batch it is in; how white an output is."""

import numbers
import typing

import numpy as np
import tensorflow as tf

from tfnorm import functional
from tfnorm.analysis import checks
from tfnorm.functional import WHITENERS, groups
from tfnorm.layers import base

# What `disturbance` is divided by, of the number of a sample's elements.
NORMALIZERS = {None: lambda d: 1.0, "sqrt": np.sqrt, "dimension": float}
METHODS = ("bn", *WHITENERS)


def disturbance(
    normalize, data, batch_size, *, samples=20, batches=200, normalizer=None, seed=0
):
    """The stochastic normalization disturbance (SND) of a normalization G by batch statistics.

    With X^B a mini-batch of B samples of the data that x is one of, drawn at random,

        Delta_G(x) = E || G(X^B; x) - E G(X^B; x) ||_2,

    G(X^B; x) being x as G normalises it in X^B. Of s mini-batches with outputs y_1 to y_s, the
    estimate is (1/s) sum_i || y_i - mean_j y_j ||, which because of the mean is sqrt(1 - 1/s) of
    what many would give, or little more. Delta_G is its mean over N samples x.

    Each of s times, the data are shuffled and cut into mini-batches as in an epoch of training,
    the last one filled up from the others; the ones without any of the N samples are passed over.
    To each x its mini-batch is a random one with x in it, as defined. That two of the N can be in
    one mini-batch does not bias their mean, and makes fewer normalizations: in each of the s, at
    most N, and at most one for each B of the data.

    A mini-batch that is much of the data varies less than it would otherwise: by about
    sqrt(1 - B/m) with m samples in all, down to 0 at B = m. The seed decides samples and
    mini-batches, whatever G is: different ones are compared on the same.

    Args:
        normalize: G, from an array (batch_size, ...) of the data's dtype to one of that length.
        data: (m, d), or maps (m, ..., channels), finite.
        batch_size: B, samples in a mini-batch, at most m.
        samples: N, at most m; others than those named by the seed are in no mean.
        batches: s, 2 or more. Its outputs are kept, which is s times N times what a sample takes.
        normalizer: what to divide by, for outputs of d elements: None is nothing, "sqrt" sqrt(d),
            "dimension" d. None is the definition. An output whose elements vary by 1 has a norm
            of about sqrt(d), so that with "sqrt" Delta is the share that is noise, and outputs of
            different sizes can be compared. "dimension" is, as far as we know, what the paper
            plots.
        seed: of the samples and of the mini-batches.

    Returns:
        float.

    Reference: Huang et al., "Iterative Normalization: Beyond Standardization towards Efficient
    Whitening", CVPR 2019, arXiv 1904.03441, which introduced it. No code of it was released, and
    we do not have the text: this is the definition as it is known in the field.
    """
    data = _checked(data)
    _check_at_most("batch_size", batch_size, len(data))
    _check_at_most("samples", samples, len(data))
    _check_integer("batches", batches, 2)
    _check_normalizer(normalizer)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(data), samples, replace=False)
    outputs = np.stack(
        [_normalized(normalize, data, chosen, batch_size, rng) for _ in range(batches)], axis=1
    )
    distances = [_mean_distance(of_sample) for of_sample in outputs.reshape(samples, batches, -1)]
    return float(np.mean(distances) / NORMALIZERS[normalizer](outputs[0, 0].size))


def normalization(method="itn", *, group_size=None, iterations=5, epsilon=1e-3):
    """A method's function from a mini-batch to the normalised one, without scale and shift.

    Args:
        method: "bn", batch normalization, or a whitening: "pca", "zca", "cd" or "itn".
        group_size: channels in a group; None is one group. "bn" has none.
        iterations: steps of Newton's iteration, for "itn".
        epsilon: added to the covariance's diagonal, or to the variance.

    Returns:
        A function from (n, ..., channels), float32 or float64, to a tensor of that shape.
    """
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {sorted(METHODS)}. Received: method={method!r}")
    base.check_group_size(group_size)
    base.check_positive("iterations", iterations)
    base.check_epsilon(epsilon)

    @tf.function(autograph=False)
    def normalize(x):
        rows = groups.to_rows(x)
        if method == "bn":
            ones = tf.ones([rows.shape[-1]], rows.dtype)
            zeros = tf.zeros_like(ones)
            samples = rows[:, tf.newaxis]
            # Batch normalisation is what unitization is at alpha = 0.
            y, *_ = functional.batch_unitization(samples, zeros, ones, zeros, epsilon=epsilon)
        else:
            y, *_ = functional.batch_whitening(
                rows,
                None,
                None,
                method=method,
                group_size=group_size,
                iterations=iterations,
                epsilon=epsilon,
            )
        return tf.reshape(y, tf.shape(x))

    return normalize


def method_disturbance(
    method, data, batch_size, *, group_size=None, iterations=5, epsilon=1e-3, **sampling
):
    """`disturbance` of a method of `normalization`.

    At paper's settings, 60,000 samples and mini-batches of 1024, it grows with the dimension and
    falls with the batch size, and with smaller groups. PCA's is by far the largest, as its axes
    swap with the order of eigenvalues, and turn with the signs that eigenvectors come with.

    Args:
        method, group_size, iterations, epsilon: of `normalization`.
        data, batch_size: of `disturbance`. Float32 is what the layers compute in, and the faster.
        **sampling: its keyword arguments.

    Returns:
        float.
    """
    normalize = normalization(
        method, group_size=group_size, iterations=iterations, epsilon=epsilon
    )
    return disturbance(normalize, data, batch_size, **sampling)


class Conditioning(typing.NamedTuple):
    """How white a group of channels is.

    Attributes:
        eigenvalues: of the covariance, ascending, (channels of the group,); all 1 if white.
        condition_number: the largest over the smallest, 1 if white. Infinite where the smallest
            is 0 up to rounding, as of no more rows than channels.
        deviation: the largest |covariance - identity| of any entry, 0 if white.
    """

    eigenvalues: np.ndarray
    condition_number: float
    deviation: float


def conditioning(rows, group_size=None):
    """How white each group of channels is: of a whitening's output, how well it has whitened.

    The covariance is of all rows, divided by n, in float64 whatever comes in. Epsilon is part of
    the whitening, and so in what is measured: an eigenvalue l that is whitened exactly becomes
    l / (l + epsilon).

    Args:
        rows: (n, channels), or maps (n, ..., channels), of which each position is a row.
        group_size: channels in a group; None is one group. The last takes what is left over.

    Returns:
        A list of a `Conditioning` for each group.
    """
    base.check_group_size(group_size)
    rows = checks.samples(rows, "rows")
    rows = rows.reshape(-1, rows.shape[-1])
    rows = rows - rows.mean(0)
    channels = rows.shape[1]
    size = min(group_size or channels, channels)
    return [_conditioning(rows[:, start : start + size]) for start in range(0, channels, size)]


def _conditioning(centred):
    covariance = centred.T @ centred / len(centred)
    eigenvalues = np.linalg.eigvalsh(covariance)
    least, largest = eigenvalues[[0, -1]]
    singular = least <= len(eigenvalues) * np.finfo(np.float64).eps * largest
    return Conditioning(
        eigenvalues,
        float("inf") if singular else float(largest / least),
        float(abs(covariance - np.eye(len(covariance))).max()),
    )


def _normalized(normalize, data, chosen, batch_size, rng):
    """The chosen samples (N,), each normalised in a random mini-batch that it is in: (N, ...)."""
    position = rng.permutation(len(data))
    starts = np.minimum(position[chosen] // batch_size * batch_size, len(data) - batch_size)
    outputs = None
    for start in np.unique(starts):
        # In the data's order: mini-batches of the same samples are alike to the last digit.
        members = np.flatnonzero((start <= position) & (position < start + batch_size))
        y = np.asarray(normalize(data[members]))
        if y.shape[:1] != (batch_size,):
            raise ValueError(
                "`normalize` must return as many samples as it is given. "
                f"Received: {y.shape=} for {batch_size=}"
            )
        if outputs is None:
            outputs = np.empty((len(chosen), *y.shape[1:]), y.dtype)
        here = starts == start
        outputs[here] = y[np.searchsorted(members, chosen[here])]
    return outputs


def _mean_distance(outputs):
    """The mean over outputs (s, d) of their distance from their mean."""
    outputs = outputs.astype(np.float64)
    return np.linalg.norm(outputs - outputs.mean(0), axis=1).mean()


def _checked(data):
    data = np.asarray(data)
    if data.ndim < 2 or not data.size or data.dtype.kind != "f":
        raise ValueError(
            "`data` must be (samples, ..., d), floating and not empty. "
            f"Received: data.shape={data.shape}, data.dtype={data.dtype}"
        )
    if not np.isfinite(data).all():
        bad = data.size - np.count_nonzero(np.isfinite(data))
        raise ValueError(f"`data` must be finite. Received: {bad} of {data.size} values are not")
    return data


def _check_integer(name, value, least):
    if not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(
            f"`{name}` must be an integer of {least} or more. Received: {name}={value!r}"
        )


def _check_at_most(name, value, count):
    _check_integer(name, value, 1)
    if value > count:
        raise ValueError(
            f"`{name}` must be at most the {count} samples of the data. Received: {name}={value}"
        )


def _check_normalizer(normalizer):
    if normalizer not in NORMALIZERS:
        raise ValueError(
            f"`normalizer` must be one of {list(NORMALIZERS)}. Received: normalizer={normalizer!r}"
        )
