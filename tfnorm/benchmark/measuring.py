"""Times calls of layers in turns, and what their gradients keep."""

import math
import statistics
import typing
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfnorm.benchmark import timing
from tfnorm.benchmark.candidates import CLASSES, UNIT, Candidates
from tfnorm.benchmark.kept import kept_bytes
from tfnorm.benchmark.kinds import KINDS
from tfnorm.benchmark.torch_batch_norm import TorchBatchNorm


def benchmark(
    shape: Sequence[int], layers: Candidates, kinds: Iterable[str], rounds: int
) -> list[dict[str, typing.Any]]:
    """Times layers in turns.

    Args:
        shape: of the input, float32.
        layers: as from `candidates`, the unit among them.
        kinds: of call, of `KINDS`.
        rounds: turns for each.

    Returns:
        A list of dicts with `layer`, `group_size`, `shape`, `kept` (see `kept_bytes`, over the
        input's bytes), and for each kind, None where the layer has no such call: its own name (the
        median of the ratio to the unit in the same round), `KIND_range` (the ratio's 10th and 90th
        percentile) and `KIND_ms` (the median time).
    """
    rng = np.random.default_rng(0)
    x, dy = (tf.constant(rng.normal(size=shape), tf.float32) for _ in range(2))
    labels = tf.constant(rng.integers(CLASSES, size=shape[0]), tf.int32)
    timed = {*kinds, *(KINDS[kind].unit for kind in kinds)}
    calls, kept = {}, {}
    for key, layer in layers.items():
        made, kept[key] = _calls_and_kept(layer, x, labels, dy, timed)
        calls |= {(key, kind): call for kind, call in made.items()}
    seconds = timing.interleaved(calls, rounds)
    rows = []
    for key in layers:
        row = {"layer": key[0], "group_size": key[1], "shape": list(shape)}
        for kind in kinds:
            unit = key if KINDS[kind].of_itself else (UNIT, None)
            row |= _figures(kind, seconds.get((key, kind)), seconds[unit, KINDS[kind].unit])
        rows.append(row | {"kept": round(kept[key] / (4 * math.prod(shape)), 3)})
    return rows


def _calls_and_kept(
    layer: keras.Layer | TorchBatchNorm,
    x: tf.Tensor,
    labels: tf.Tensor,
    dy: tf.Tensor,
    kinds: set[str],
) -> tuple[dict[str, Callable[[], typing.Any]], int]:
    """A layer's calls by kind, and the bytes that its gradient keeps."""
    if isinstance(layer, TorchBatchNorm):
        calls = layer.calls(x, dy)
        return {kind: calls[kind] for kind in calls if kind in kinds}, layer.kept_bytes(x)
    inputs = (x, labels) if hasattr(layer, "num_classes") else (x,)
    layer(*inputs)
    calls = {kind: KINDS[kind].make(layer, inputs, dy) for kind in KINDS if kind in kinds}
    return {kind: call for kind, call in calls.items() if call}, kept_bytes(layer, inputs)


def _figures(kind: str, seconds: list[float] | None, unit: list[float]) -> dict[str, typing.Any]:
    """A row's entries for one kind of call."""
    if seconds is None:
        return {kind: None, f"{kind}_range": None, f"{kind}_ms": None}
    ratio = timing.ratio(seconds, unit)
    return {
        kind: round(ratio.median, 3),
        f"{kind}_range": [round(ratio.low, 3), round(ratio.high, 3)],
        f"{kind}_ms": round(statistics.median(seconds) * 1e3, 3),
    }
