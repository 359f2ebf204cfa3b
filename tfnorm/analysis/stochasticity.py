"""Disturbance: how much a normalised sample depends on the mini-batch that it is in."""

import collections.abc
import functools
import numbers
import typing

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfnorm import functional
from tfnorm.functional import WHITENERS, groups
from tfnorm.layers import arguments

# From the number of a sample's elements to what `disturbance` is divided by.
NORMALIZERS: dict[str | None, collections.abc.Callable[[int], float]] = {
    None: lambda d: 1.0,
    "sqrt": np.sqrt,
    "dimension": float,
}

# From a mini-batch (batch_size, ...) to as many outputs.
Normalize = collections.abc.Callable[[np.ndarray], npt.ArrayLike]


def disturbance(
    normalize: Normalize,
    data: npt.ArrayLike,
    batch_size: int,
    *,
    samples: int = 20,
    batches: int = 200,
    normalizer: str | None = None,
    seed: int = 0,
) -> float:
    """Measures the stochastic normalization disturbance (SND) of a normalization G by a batch.

    With X^B a mini-batch of B samples of the data that x is one of, drawn at random,

        Delta_G(x) = E || G(X^B; x) - E G(X^B; x) ||_2,

    G(X^B; x) being x as G normalises it in X^B. Of s mini-batches with outputs y_1 to y_s, the
    estimate is (1/s) sum_i || y_i - mean_j y_j ||, about sqrt(1 - 1/s) of the limit for large s,
    as the mean is theirs. Delta_G is its mean over N samples x.

    Each of s times, the data are shuffled and cut into mini-batches as in an epoch of training,
    the last one filled up with others; those without any of the N samples are passed over. To each
    x, its own is a random mini-batch with x in it, as defined. Two of the N may share one, which
    does not bias their mean, and saves work: in each of the s there are at most N normalizations,
    and at most m / B, rounded up, with m samples in all.

    A mini-batch that is much of the data varies less: by about sqrt(1 - B/m), down to 0 at B = m.
    The seed decides the N samples and the mini-batches whatever G is, so that methods are compared
    on the same.

    ```python
    from tfnorm.analysis.stochasticity import disturbance

    data = np.random.normal(size=(256, 4))
    centred = lambda batch: batch - np.mean(batch, 0)
    small, large = (disturbance(centred, data, size, batches=20) for size in (8, 128))
    assert large < small
    ```

    Args:
        normalize: G, from an array (batch_size, ...) of the data's dtype to one of that length.
        data: (m, d), or maps (m, ..., channels), floating and finite.
        batch_size: B, samples in a mini-batch, at most m.
        samples: N, at most m.
        batches: s, 2 or more. All s times N outputs are kept in memory.
        normalizer: what to divide by, for outputs of d elements: None is nothing, "sqrt" is
            sqrt(d), "dimension" is d. By default nothing, for that is the definition itself, and
            which of the others the paper plots we could not confirm (we believe d). A normalised x
            has a norm of about sqrt(d), so that "sqrt" gives the noise as a share of it, and
            compares sizes.
        seed: of the samples and of the mini-batches.

    Returns:
        float, not finite where an output is not.

    Reference: Huang et al., "Iterative Normalization: Beyond Standardization towards Efficient
    Whitening", CVPR 2019, https://arxiv.org/abs/1904.03441, which introduced it. This is the
    field's definition as far as we know: no code was released, and the paper was not at hand.
    """
    array = _checked(data)
    check_sampling(len(array), batch_size, samples, batches, normalizer)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(array), samples, replace=False)
    outputs = [_normalized(normalize, array, chosen, batch_size, rng) for _ in range(batches)]
    distances = [_mean_distance([y[k] for y in outputs]) for k in range(samples)]
    return float(np.mean(distances) / NORMALIZERS[normalizer](outputs[0][0].size))


def normalization(
    method: str = "itn",
    *,
    group_size: int | None = None,
    iterations: int = 5,
    epsilon: float = 1e-3,
) -> collections.abc.Callable[[npt.ArrayLike], tf.Tensor]:
    """Makes a method's function from a mini-batch to the normalised one, without scale and shift.

    ```python
    from tfnorm.analysis.stochasticity import normalization

    whiten = normalization("zca", epsilon=1e-6)
    y = whiten(np.random.normal(size=(256, 4)))
    assert np.allclose(np.cov(y, rowvar=False, bias=True), np.eye(4), atol=1e-3)
    ```

    Args:
        method: "bn", batch normalization, or a whitening: "pca", "zca", "cd" or "itn".
        group_size: channels in a group; None is one group. "bn" has none.
        iterations: steps of Newton's iteration, for "itn".
        epsilon: added to the covariance's diagonal, or to the variance.

    Returns:
        A function from (n, ..., channels), float32 or float64, to a tensor of that shape.
    """
    methods = ("bn", *WHITENERS)
    if method not in methods:
        raise ValueError(f"`method` must be one of {sorted(methods)}. Received: method={method!r}")
    arguments.check_group_size(group_size)
    arguments.check_positive("iterations", iterations)
    arguments.check_epsilon(epsilon)
    return functools.partial(
        _normalize, method=method, group_size=group_size, iterations=iterations, epsilon=epsilon
    )


def method_disturbance(
    method: str,
    data: npt.ArrayLike,
    batch_size: int,
    *,
    group_size: int | None = None,
    iterations: int = 5,
    epsilon: float = 1e-3,
    **sampling: typing.Any,
) -> float:
    """Measures the `disturbance` of a method of `normalization`.

    On 16-dimensional Gaussian data it grows in the order bn, itn, zca, cd, pca. It falls with the
    batch size, PCA's hardly: its axes swap with the order of the eigenvalues and turn with their
    vectors' signs, whatever the size. It falls with the group size for zca and cd; and with fewer
    of Newton's iterations, of which many give ZCA's. Where they are few for the channels of a group
    (5 for 128), itn's output is small, and its disturbance with it, even below bn's: the
    `conditioning.conditioning` of the output tells.

    ```python
    from tfnorm.analysis.stochasticity import method_disturbance

    data = np.random.normal(size=(256, 16)).astype("float32")
    bn, zca = (method_disturbance(name, data, 64, batches=5) for name in ("bn", "zca"))
    assert bn < zca
    ```

    Args:
        method, group_size, iterations, epsilon: of `normalization`.
        data, batch_size: of `disturbance`. Float32 is what the layers compute in, and the faster.
        **sampling: its keyword arguments.

    Returns:
        float.
    """
    normalize = normalization(method, group_size=group_size, iterations=iterations, epsilon=epsilon)
    return disturbance(normalize, data, batch_size, **sampling)


@tf.function(autograph=False)
def _normalize(x, method, group_size, iterations, epsilon):
    rows = groups.to_rows(x)
    if method == "bn":
        ones = tf.ones([rows.shape[-1]], rows.dtype)
        zeros = tf.zeros_like(ones)
        # Batch normalisation is what unitization is at alpha = 0.
        y, *_ = functional.batch_unitization(
            rows[:, tf.newaxis], zeros, ones, zeros, epsilon=epsilon
        )
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
    return groups.from_rows(tf.reshape(y, tf.shape(rows)), x)


def _normalized(
    normalize: Normalize,
    data: np.ndarray,
    chosen: np.ndarray,
    batch_size: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """The chosen samples (N,), each normalised in a random mini-batch that it is in: (N, ...)."""
    position = rng.permutation(len(data))
    starts = np.minimum(position[chosen] // batch_size * batch_size, len(data) - batch_size)
    outputs = np.empty(0)
    for start in np.unique(starts):
        # In the data's order: mini-batches of the same samples are alike to the last digit.
        members = np.flatnonzero((start <= position) & (position < start + batch_size))
        y = np.asarray(normalize(data[members]))
        if y.shape[:1] != (batch_size,):
            raise ValueError(
                "`normalize` must return as many samples as it is given. "
                f"Received: {y.shape=} for {batch_size=}"
            )
        if not outputs.size:
            outputs = np.empty((len(chosen), *y.shape[1:]), y.dtype)
        here = starts == start
        outputs[here] = y[np.searchsorted(members, chosen[here])]
    return outputs


def _mean_distance(outputs: list[np.ndarray]) -> np.floating:
    """The mean over outputs, s of any one shape, of their distance from their mean."""
    flat = np.stack(outputs).astype(np.float64).reshape(len(outputs), -1)
    return np.linalg.norm(flat - flat.mean(0), axis=1).mean()


def _checked(data: npt.ArrayLike) -> np.ndarray:
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


def check_sampling(
    count: int, batch_size: int, samples: int, batches: int, normalizer: str | None
) -> None:
    """Checks the arguments of `disturbance` of that name, for data of `count` samples."""
    _check_at_most("batch_size", batch_size, count)
    _check_at_most("samples", samples, count)
    _check_integer("batches", batches, 2)
    if normalizer not in NORMALIZERS:
        raise ValueError(
            f"`normalizer` must be one of {list(NORMALIZERS)}. Received: normalizer={normalizer!r}"
        )


def _check_integer(name: str, value: int, least: int) -> None:
    if not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(
            f"`{name}` must be an integer of {least} or more. Received: {name}={value!r}"
        )


def _check_at_most(name: str, value: int, count: int) -> None:
    _check_integer(name, value, 1)
    if value > count:
        raise ValueError(
            f"`{name}` must be at most the {count} samples of the data. Received: {name}={value}"
        )
