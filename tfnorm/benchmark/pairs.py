"""What is timed beside a counterpart of its own: layers of other places, and functions."""

import functools
import statistics
import typing
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

import tfnorm
from tfnorm.benchmark import timing
from tfnorm.benchmark.kinds import Call, forward, forward_backward, inference
from tfnorm.functional import cholesky_whitening, inverse_sqrt, sqrt

Array = np.ndarray
Layer = keras.layers.Layer


def _normal(shape: Sequence[int]) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _covariances(shape: Sequence[int]) -> Array:
    """Draws covariances (count, channels, channels), of four times as many rows as channels."""
    count, channels, _ = shape
    rows = _normal((count, 4 * channels, channels))
    return np.einsum("nrc,nrd->ncd", rows, rows) / (4 * channels)


def _by_eigh(matrix: tf.Tensor) -> tf.Tensor:
    eigenvalues, u = tf.linalg.eigh(matrix)
    return tf.matmul(u * tf.math.rsqrt(eigenvalues)[..., None, :], u, transpose_b=True)


def _by_cholesky(matrix: tf.Tensor) -> tf.Tensor:
    factor = tf.linalg.cholesky(matrix)
    unit = tf.eye(tf.shape(matrix)[-1])
    return tf.linalg.triangular_solve(factor, tf.broadcast_to(unit, tf.shape(matrix)))


class OfDomains(keras.layers.Layer):
    """A whitening with the statistics of two domains: of one for the batch, or of both by turns."""

    def __init__(self, is_mixed: bool) -> None:
        super().__init__()
        self.whitening = tfnorm.BatchWhitening("itn", group_size=16, domains=2)
        self.is_mixed = is_mixed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.whitening.build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        domain = tf.range(tf.shape(inputs)[0]) % 2 if self.is_mixed else 0
        return self.whitening(inputs, domain, training=training)


class Pair(typing.NamedTuple):
    """Two layers that take the same input.

    Attributes:
        make: makes the layer.
        counterpart: the name of the other.
        make_counterpart: what makes it.
        shape: of the input, the batch first.
        kinds: of call, of `CALLS`.
        draw: draws the input, float32, from its shape.
    """

    make: Callable[[], Layer]
    counterpart: str
    make_counterpart: Callable[[], Layer]
    shape: tuple[int, ...]
    kinds: tuple[str, ...] = ("forward", "forward_backward")
    draw: Callable[[Sequence[int]], Array] = _normal


def _of_functions(
    function: Callable[[tf.Tensor], tf.Tensor],
    counterpart: str,
    other: Callable[[tf.Tensor], tf.Tensor],
) -> Pair:
    """Pairs functions of matrices, as many and as large as a whitening in groups of 16 has."""
    return Pair(
        lambda: keras.layers.Lambda(function),
        counterpart,
        lambda: keras.layers.Lambda(other),
        (64, 16, 16),
        draw=_covariances,
    )


def _of_domains(is_mixed: bool) -> Pair:
    return Pair(
        lambda: OfDomains(is_mixed),
        "BatchWhitening",
        lambda: tfnorm.BatchWhitening("itn", group_size=16),
        (64, 16, 16, 256),
        ("forward", "forward_backward", "inference"),
    )


PAIRS = {
    "covariance_pooling": Pair(
        tfnorm.CovariancePooling,
        "GlobalAveragePooling2D",
        keras.layers.GlobalAveragePooling2D,
        (64, 8, 8, 64),
        ("forward", "forward_backward", "inference"),
    ),
    "group_whitening": Pair(
        lambda: tfnorm.GroupWhitening(16),
        "GroupNormalization",
        lambda: keras.layers.GroupNormalization(16),
        (64, 16, 16, 256),
        ("forward", "forward_backward", "inference"),
    ),
    "whitening": Pair(
        tfnorm.Whitening,
        "Normalization",
        keras.layers.Normalization,
        (10_000, 768),
        ("inference", "adapt"),
    ),
    "domain": _of_domains(is_mixed=False),
    "mixed_domains": _of_domains(is_mixed=True),
    "sqrt": _of_functions(sqrt, "tf.linalg.sqrtm", tf.linalg.sqrtm),
    "sqrt_newton": _of_functions(
        functools.partial(sqrt, method="newton"), "tf.linalg.sqrtm", tf.linalg.sqrtm
    ),
    "inverse_sqrt": _of_functions(inverse_sqrt, "tf.linalg.eigh", _by_eigh),
    "inverse_sqrt_newton": _of_functions(
        functools.partial(inverse_sqrt, method="newton"), "tf.linalg.eigh", _by_eigh
    ),
    "cholesky_whitening": _of_functions(cholesky_whitening, "tf.linalg.cholesky", _by_cholesky),
}


def adapt(layer: Layer, inputs: Sequence[tf.Tensor], dy: tf.Tensor) -> Call:
    """Makes the call that adapts a layer to the input as data, an array."""
    return functools.partial(layer.adapt, inputs[0].numpy())


def serve(layer: Layer, inputs: Sequence[tf.Tensor], dy: tf.Tensor) -> Call:
    """Makes the call of a layer's SavedModel, after it was adapted if it is one that is."""
    if hasattr(layer, "adapt"):
        layer.adapt(inputs[0].numpy())
    return inference(layer, inputs, dy)


CALLS = {
    "forward": forward,
    "forward_backward": forward_backward,
    "inference": serve,
    "adapt": adapt,
}


def benchmark_pairs(
    names: Iterable[str], rounds: int, shapes: dict[str, Sequence[int]] | None = None
) -> list[dict[str, typing.Any]]:
    """Times pairs, all in turns.

    Args:
        names: of `PAIRS`.
        rounds: turns for each call.
        shapes: dict from a name to the shape of its input, in the place of the pair's own.

    Returns:
        A list of dicts, one for each pair and kind of call, with `pair`, `counterpart`, `shape`,
        `kind`, `ratio` (the median over rounds of its time over the counterpart's in the same
        round), `range` (the ratio's 10th and 90th percentile), `ms` and `counterpart_ms` (the
        median times).
    """
    calls, rows = {}, []
    for name in names:
        pair = PAIRS[name]
        shape = tuple((shapes or {}).get(name, pair.shape))
        x = tf.constant(pair.draw(shape))
        for kind in pair.kinds:
            for is_own, make in ((True, pair.make), (False, pair.make_counterpart)):
                calls[name, kind, is_own] = _call(kind, make(), x)
            row = {"pair": name, "counterpart": pair.counterpart, "shape": list(shape)}
            rows.append(row | {"kind": kind})
    seconds = timing.interleaved(calls, rounds)
    return [
        row | _figures(*(seconds[row["pair"], row["kind"], is_own] for is_own in (True, False)))
        for row in rows
    ]


def _call(kind: str, layer: Layer, x: tf.Tensor) -> Call:
    y = layer(x)
    dy = tf.random.stateless_normal(tf.shape(y), (0, 1))
    return CALLS[kind](layer, [x], dy)


def _figures(own: list[float], other: list[float]) -> dict[str, typing.Any]:
    ratio = timing.ratio(own, other)
    return {
        "ratio": round(ratio.median, 3),
        "range": [round(ratio.low, 3), round(ratio.high, 3)],
        "ms": round(statistics.median(own) * 1e3, 3),
        "counterpart_ms": round(statistics.median(other) * 1e3, 3),
    }
