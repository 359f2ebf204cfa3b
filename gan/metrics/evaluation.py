"""All metrics of generated images against real ones, from one pass over the images."""

import math
import typing

import numpy as np

from gan.config import INCEPTION
from gan.metrics.density_coverage import NEIGHBOURS as DENSITY_NEIGHBOURS
from gan.metrics.density_coverage import density_coverage
from gan.metrics.kernel_distance import kernel_distance
from gan.metrics.precision_recall import NEIGHBOURS, precision_recall
from gan.metrics.statistics import distance, gather


class Metric(typing.NamedTuple):
    """A metric of two sets of images.

    Attributes:
        keys: names of the values.
        measure: `measure(generated, reference, seed)` gives them in this order, floats, of two
            `Statistics`, or raises `Unavailable`.
        needs_rows: whether it is of the features of single images.
    """

    keys: tuple[str, ...]
    measure: typing.Callable
    needs_rows: bool = False


class Unavailable(Exception):
    """The reason why a metric has no value for these images."""


def _frechet_distance(generated, reference, seed):
    return (distance(generated, reference),)


def _inception_score(generated, reference, seed):
    if isinstance(generated.score, str):
        raise Unavailable(generated.score)
    return generated.score


def _kernel_distance(generated, reference, seed):
    rows = _rows(generated, 2), _rows(reference, 2)
    return kernel_distance(*rows, seed=seed)


def _precision_recall(generated, reference, seed):
    rows = _rows(generated, NEIGHBOURS + 1), _rows(reference, NEIGHBOURS + 1)
    return precision_recall(*rows)


def _density_coverage(generated, reference, seed):
    least = DENSITY_NEIGHBOURS + 1
    return density_coverage(_rows(generated, least), _rows(reference, least))


def _rows(statistics, least):
    if statistics.rows is None:
        raise Unavailable(f"of {statistics.name} there are no features of single images")
    if len(statistics.rows) < least:
        raise Unavailable(f"it needs {least} images or more, and keeps {len(statistics.rows)}")
    return statistics.rows


METRICS = {
    "frechet_distance": Metric(("frechet_distance",), _frechet_distance),
    "inception_score": Metric(("inception_score", "inception_score_deviation"), _inception_score),
    "kernel_distance": Metric(
        ("kernel_distance", "kernel_distance_deviation"), _kernel_distance, needs_rows=True
    ),
    "precision_recall": Metric(("precision", "recall"), _precision_recall, needs_rows=True),
    "density_coverage": Metric(("density", "coverage"), _density_coverage, needs_rows=True),
}

# The metrics that a run computes while it trains: those that need no features of single images.
CHEAP = tuple(name for name, metric in METRICS.items() if not metric.needs_rows)


def evaluate(sample, reference, features, count, progress=None, score_count=None):
    """Compares generated images with real ones by the metrics in `CHEAP`.

    Args:
        sample: `sample(count)` yields batches (n, height, width, channels) of generated images in
            [-1, 1], `count` images altogether, see `pixels`.
        reference: `Statistics` of the real images, by the same network.
        features: `FeatureNetwork`.
        count: number of images to generate, at least 2.
        progress: called as `progress(done, count)` after each batch.
        score_count: number of images to generate for the Inception Score, the first of which are
            those of `count`; None: `count`.

    Returns:
        See `compare`; "features" is the name of the network.

    Raises:
        ValueError: if `sample` yields another number of images, or a feature is not finite.
    """
    generated = gather(
        pixels(sample(max(count, score_count or count))),
        count,
        "samples",
        features,
        progress=progress,
        score_count=score_count,
    )
    return compare(generated, reference) | {"features": features.name}


def pixels(samples):
    """Yields batches of samples in [-1, 1] clipped, scaled to [0, 255], and not rounded.

    Args:
        samples: yields batches (n, height, width, channels).

    Yields:
        float32, of the shape of the batch.
    """
    for batch in samples:
        yield (np.clip(np.asarray(batch, np.float32), -1, 1) + 1) * 127.5


def compare(generated, reference, metrics=CHEAP, seed=0):
    """Computes metrics of two sets of images.

    Args:
        generated, reference: `Statistics` by the same network.
        metrics: names of some of `METRICS`.
        seed: of the subsets of the kernel distance.

    Returns:
        A dict that JSON can hold:

        * of each metric its keys, floats; or None, and "METRIC_reason" says why,
        * "generated_count", "reference_count": numbers of images; None if not known,
        * "generated_rows", "reference_rows": of how many of them the features were kept, if it is
          those that a metric is of,
        * "score_count": number of generated images that the Inception Score is of, if not all,
        * "feature_count": number of features,
        * "generated", "reference": names of the sets, as "digits test",
        * "class_shares": of the generated images, see `Statistics`, if there are any.

    Raises:
        ValueError: if the sets differ in their number of features.
    """
    result = {}
    for name in metrics:
        metric = METRICS[name]
        try:
            values = metric.measure(generated, reference, seed)
        except Unavailable as reason:
            result |= dict.fromkeys(metric.keys) | {f"{name}_reason": str(reason)}
            continue
        for key, value in zip(metric.keys, values, strict=True):
            result[key] = None if math.isnan(value) else value
    if result.get("kernel_distance") is not None and result["kernel_distance_deviation"] is None:
        result["kernel_distance_deviation_reason"] = "a subset is both sets as they are"
    for side, statistics in (("generated", generated), ("reference", reference)):
        result[side] = statistics.name
        result[f"{side}_count"] = statistics.count
        if any(METRICS[name].needs_rows for name in metrics):
            result[f"{side}_rows"] = 0 if statistics.rows is None else len(statistics.rows)
    if generated.score_count is not None and result.get("inception_score") is not None:
        result["score_count"] = generated.score_count
    result["feature_count"] = len(generated.mean)
    if generated.class_shares is not None:
        result["class_shares"] = generated.class_shares
    return result


def training_distance(training, reference):
    """Measures the distance of the training images from the reference.

    Args:
        training, reference: `Statistics` by the same network.

    Returns:
        `(distance, text)`: the Fréchet distance, a float, and the line to print of it.
    """
    value = distance(training, reference)
    few = few_images([(training.name, training.count)], len(training.mean))
    return value, "\n".join(
        [
            f"For comparison, {training.count} images of {training.name} in place of generated "
            f"ones: {value:.4g}",
            *few,
        ]
    )


def few_images(counts, features):
    """The warning that a distance is of fewer images than features, a list of one line or none.

    Args:
        counts: pairs of the name of a set and its number of images, None where it is not known.
        features: number of features.
    """
    few = [f"{n:,} images of {name}" for name, n in counts if n and n < features]
    if not few:
        return []
    return [
        f"Warning: {' and '.join(few)} are fewer than the {features:,} features, and the Fréchet "
        "distance is too large by an amount that depends on their number: take more images."
    ]


def few_of(result):
    """As `few_images`, of a result of `compare`, or of before the features were counted."""
    if result.get("frechet_distance") is None or "feature_count" not in result:
        return []
    counts = [(result[side], result[f"{side}_count"]) for side in ("generated", "reference")]
    return few_images(counts, result["feature_count"])


# What is on the screen has the names of JSON and TensorBoard; some of tensorflow-gan's Inception
# features have another in publications, with which numbers by other features are not comparable.
_PUBLISHED = {"frechet_distance": "FID", "inception_score": "IS", "kernel_distance": "KID"}


def describe(result):
    """Says a result of `evaluate` in a line, and in another class shares, if there are any."""
    measured = ", ".join(
        f"{title} {result[key]:.4g}" for key, title in _titles(result) if result[key] is not None
    )
    scored = f" ({result['score_count']} for the score)" if "score_count" in result else ""
    line = (
        f"{measured} ({result['features']} features, "
        f"{result['generated_count']} generated{scored}, "
        f"{result['reference_count']} real of {result['reference']})"
    )
    return "\n".join([line, *_class_shares(result)])


def table(result):
    """Lays out a result of `compare` with the key "features" as the text of `gan.evaluate`."""
    rows = [("", "value", "deviation")]
    for key, title in _titles(result):
        value, deviation = result[key], result.get(f"{key}_deviation")
        if value is None:
            metric = next(name for name in METRICS if key in METRICS[name].keys)
            rows.append((title, "none", f"({result[f'{metric}_reason']})"))
        else:
            rows.append((title, f"{value:.4g}", "" if deviation is None else f"{deviation:.2g}"))
    width = max(len(title) for title, *_ in rows)
    lines = [f"{title:{width}}  {value:>9}  {last}".rstrip() for title, value, last in rows]
    sides = [f"{side}: {_side(result, side)}" for side in ("generated", "reference")]
    taken = f", {result['features_take']}" if result.get("features_take") else ""
    head = [*sides, f"features: {result['features'] or 'as in the files'}{taken}", ""]
    return "\n".join([*head, *lines, "", *few_of(result), *_class_shares(result)]).rstrip()


def _titles(result):
    """Pairs of a key of a metric in a result, and what is said before its value."""
    published = _PUBLISHED if result["features"] == INCEPTION else {}
    keys = [key for metric in METRICS.values() for key in metric.keys if key in result]
    return [
        (key, f"{key} ({published[key]})" if key in published else key)
        for key in keys
        if not key.endswith("_deviation")
    ]


def _side(result, side):
    count, rows = result[f"{side}_count"], result.get(f"{side}_rows")
    text = "statistics" if count is None else f"{count} images"
    if rows and rows != count:
        text += f", {rows} of them for neighbours and kernels"
    if side == "generated" and "score_count" in result:
        text += f", {result['score_count']} for the score"
    return f"{result[side]}, {text}"


def _class_shares(result):
    shares = result.get("class_shares")
    if not shares:
        return []
    listed = " ".join(f"{label}:{share:.1%}" for label, share in enumerate(shares))
    return [f"Class shares by {result['features']}: {listed}"]
