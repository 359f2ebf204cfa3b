"""The metrics as functions of images: what `gan.evaluate` measures, from Python."""

import pathlib
import warnings

import numpy as np

from gan.config import INCEPTION
from gan.metrics import checks, evaluation, sources, statistics
from gan.metrics import density_coverage as _density_coverage
from gan.metrics import inception_score as _inception_score
from gan.metrics import kernel_distance as _kernel_distance
from gan.metrics import precision_recall as _precision_recall
from gan.metrics.frechet import factor, moments

# Samples of a generator, of which there are as many as are asked for.
SAMPLES = 10_000


def frechet_distance(a, b, *, features=INCEPTION, **options):
    """Computes the Fréchet distance (FID, with Inception's features) of two sets of images.

        >>> frechet_distance("samples", "photographs.npz", features="trunk.keras")
        31.4

    Args:
        a, b: two sets, each one of

            * an array of images, (n, height, width, 1 or 3) in [0, 255], uint8 or float,
            * an array of features, (n, d),
            * a path or name, as `gan.evaluate` takes it: a folder of images, an .npz file of
              images or of statistics, a run's directory, a SavedModel of a generator, or a split
              of a dataset as "cifar10:test",
            * `gan.metrics.statistics.Statistics`.
        features: the network: "digits", "tfgan_inception", a path of one's own (docs/features.md),
            or a `gan.metrics.features.FeatureNetwork`. It is not used of features and statistics.
        **options: as flags of `gan.evaluate` they are `feature_size`, `feature_range` and
            `feature_layout`; `count`, the number of images (None: all, and 10,000 samples);
            `image_size`; `data_dir`; `num_classes`; `npz`; `seed`.

    Returns:
        The distance, a float of at least 0. It is squared, as in the literature.

    Raises:
        UserError: there are no such images, or no such network.
        ValueError: the sets cannot be compared.

    Warns:
        UserWarning: images are fewer than features, and the distance depends on their number.
    """
    made, real = _sets((a, b), features, 0, options)
    counts = [(side.name, side.count) for side in (made, real)]
    for line in evaluation.few_images(counts, len(made.mean)):
        warnings.warn(line.removeprefix("Warning: "), stacklevel=2)
    return statistics.distance(made, real)


def kernel_distance(a, b, *, features=INCEPTION, subsets=100, subset_size=1000, **options):
    """Computes the kernel distance (KID) of two sets of images, over random subsets.

        >>> kernel_distance(samples, photographs, features="trunk.keras")
        (0.021, 0.0013)

    Args:
        a, b, features, **options: as of `frechet_distance`, but for statistics.
        subsets, subset_size: number of subsets, and images of each set in one.

    Returns:
        `(mean, deviation)` over the subsets, floats; the deviation is NaN where a subset is all.
    """
    rows = _rows((a, b), features, options)
    seed = options.get("seed", 0)
    return _kernel_distance.kernel_distance(*rows, subsets, subset_size, seed)


def inception_score(images, *, features=INCEPTION, splits=10, **options):
    """Computes the Inception Score of images: it needs a network with logits, or logits.

        >>> inception_score("samples", features="digits")
        (6.96, 0.14)

    Args:
        images, features, **options: as of `frechet_distance`; an array (n, classes) is of logits.
        splits: number of parts of the images, which are shuffled, each of which has a score.

    Returns:
        `(mean, deviation)` of the scores of the parts, floats.
    """
    if _is_rows(images):
        return _inception_score.inception_score(images, splits)
    network = _network(features, options)
    source, count = _source(images, "images", options)
    score = None
    for batch in source.batches(count):
        logits = network(batch)[1]
        if logits is None:
            raise ValueError(f"`features` must have logits. Received: features={network.name}")
        score = score or _inception_score.InceptionScore(count, splits)
        score.update(logits)
    return score.result()


def precision_recall(generated, real, *, features=INCEPTION, neighbours=3, **options):
    """Computes precision and recall of generated images against real ones.

        >>> precision_recall("samples", "photographs", features="trunk.keras")
        (0.71, 0.44)

    Args:
        generated, real, features, **options: as of `kernel_distance`.
        neighbours: k, of the balls around features.

    Returns:
        `(precision, recall)`, floats in [0, 1]: compare those of equal counts.
    """
    rows = _rows((generated, real), features, options)
    return _precision_recall.precision_recall(*rows, neighbours)


def density_coverage(generated, real, *, features=INCEPTION, neighbours=5, **options):
    """Computes density and coverage of generated images against real ones.

        >>> density_coverage("samples", "photographs", features="trunk.keras")
        (0.83, 0.61)

    Args:
        generated, real, features, **options: as of `kernel_distance`.
        neighbours: k, of the balls around features.

    Returns:
        `(density, coverage)`, floats; coverage is in [0, 1].
    """
    rows = _rows((generated, real), features, options)
    return _density_coverage.density_coverage(*rows, neighbours)


_OPTIONS = {
    **dict.fromkeys(("feature_size", "feature_range", "feature_layout", "count", "image_size")),
    **dict.fromkeys(("data_dir", "num_classes")),
    "npz": sources.STATISTICS,
    "seed": 0,
}


def _rows(pair, features, options):
    """The features of two sets, arrays (n, d)."""
    made, real = _sets(pair, features, None, options)
    for side in (made, real):
        if side.rows is None:
            raise ValueError(f"A set must be of images or features. Received: {side.name}")
    return made.rows, real.rows


def _sets(pair, features, rows, options):
    """The `Statistics` of two sets; `rows` are how many features are kept, None: all."""
    _check(options)
    opened, counts = [], {}
    for place, (name, side) in enumerate(zip("ab", pair, strict=True)):
        if isinstance(side, statistics.Statistics):
            opened.append(side)
        elif _is_rows(side):
            opened.append(_of_features(np.asarray(side), f"`{name}`"))
        else:
            source, counts[place] = _source(side, name, options, statistics_too=True)
            opened.append(source)
    if any(isinstance(side, sources.Source) for side in opened):
        from gan.measuring import source_statistics

        features = _network(features, options)
        sources.check_comparable(opened, features)
        for place, side in enumerate(opened):
            if isinstance(side, sources.Source):
                count = counts[place]
                kept = count if rows is None else rows
                seed = (_OPTIONS | options)["seed"]
                opened[place] = source_statistics(side, count, features, kept, seed=seed)
    checks.same_width(*(len(side.mean) for side in opened))
    return opened


def _of_features(rows, name):
    few = len(rows) < rows.shape[1]
    return statistics.Statistics(
        *moments(rows), len(rows), name, rows=rows, factor=factor(rows) if few else None
    )


def _source(side, name, options, statistics_too=False):
    """The `Source` of a set, and how many images are asked of it; or `Statistics`, if so."""
    options = _OPTIONS | options
    if isinstance(side, str | pathlib.Path):
        from gan.sides import Opening, open_side

        names = ("data_dir", "image_size", "num_classes", "seed", "npz")
        source = open_side(f"`{name}`", str(side), Opening(*(options[name] for name in names)))
    else:
        source = _of_images(np.asarray(side), name, options["seed"])
    if isinstance(source, statistics.Statistics):
        if not statistics_too:
            raise ValueError(f"`{name}` must be images. Received: statistics, {side}")
        return source, None
    count = options["count"]
    if source.count is not None:
        count = source.count if count is None else min(count, source.count)
    return source, SAMPLES if count is None else count


def _of_images(images, name, seed):
    if images.ndim != 4 or images.shape[3] not in (1, 3) or not len(images):
        raise ValueError(
            f"`{name}` must be images (n, height, width, 1 or 3), features (n, d), statistics or a "
            f"path. Received: shape={images.shape}"
        )
    low, high = images.min(), images.max()
    # Floats of another range are taken for nearly black images, without a word.
    if low < 0 or high > 255 or (images.dtype.kind == "f" and 0 < high <= 1):
        raise ValueError(
            f"The images `{name}` must be in [0, 255]. Received: from {low:.4g} to {high:.4g}"
        )
    return sources.from_array(f"`{name}`", images, seed=seed)


def _network(features, options):
    _check(options)
    if callable(features):
        return features
    from gan.metrics.features import load_features
    from gan.metrics.network_inputs import Takes

    names = ("feature_size", "feature_range", "feature_layout")
    return load_features(features, Takes(*(options.get(name) for name in names)))


def _is_rows(side):
    return not isinstance(side, str | pathlib.Path | statistics.Statistics) and np.ndim(side) == 2


def _check(options):
    for name, value in options.items():
        if name not in _OPTIONS:
            raise TypeError(f"Options are {', '.join(_OPTIONS)}. Received: {name}={value!r}")
