"""Statistics of a set of images, all that the metrics need; of real ones they are kept in files."""

import dataclasses
import hashlib
import logging
import os
import pathlib
import re
import tempfile

import numpy as np

from gan.metrics.frechet import Moments, distance_by_factor, factor, frechet_distance, gaussian
from gan.metrics.inception_score import SPLITS, InceptionScore

_MAX_CLASSES = 100
_BATCH_SIZE = 200
_NO_SCORE = "statistics of features have no logits"


@dataclasses.dataclass(frozen=True, eq=False)
class Statistics:
    """The statistics of a set of images, all that the metrics need.

    Attributes:
        mean: float64 (d,), of the features.
        covariance: float64 (d, d), unbiased.
        count: number of images n; None if a file of statistics does not say.
        name: what lines and files call the set: dataset and split, as "digits test".
        rows: features of the first images, float32 (m, d); None if they were not kept.
        score: mean and deviation of the Inception Score, or why there is none.
        score_count: number of images that it is of; None: `count`.
        factor: F of the covariance F^T F, float64 (n, d), see `gan.metrics.frechet.factor`; None
            where there are as many images as features, or the images are not known.
        fingerprint: of the `FeatureNetwork`; None if a file of statistics does not say.
        class_shares: the fraction of the images that the network takes for each class; None of
            colour images by the network of digits, or if it
            gives no logits, or of more than 100 classes.
    """

    mean: np.ndarray = dataclasses.field(repr=False)
    covariance: np.ndarray = dataclasses.field(repr=False)
    count: int | None
    name: str
    rows: np.ndarray | None = dataclasses.field(default=None, repr=False)
    score: tuple[float, float] | str = _NO_SCORE
    class_shares: list[float] | None = None
    factor: np.ndarray | None = dataclasses.field(default=None, repr=False)
    fingerprint: str | None = None
    score_count: int | None = None


def gather(batches, count, name, features, rows=0, progress=None, score_count=None):
    """Gathers statistics of images that come in batches, in one pass.

    Memory does not grow with the number of images, but for the features that are kept: 4 d bytes
    for each of the first `rows` images, 82 MB for 10,000 of 2,048 features; and of all images if
    they are fewer than the features.

    Args:
        batches: yields images (n, height, width, 1 or 3) in [0, 255], altogether the larger of
            `count` and `score_count`.
        count: number of images, at least 2.
        name: of the set.
        features: `FeatureNetwork`.
        rows: number of images whose features are kept.
        progress: called as `progress(done, count)` after each batch.
        score_count: number of images that the Inception Score is of; None: all.

    Returns:
        `Statistics`, of the first `count` images but for the score.

    Raises:
        ValueError: if there is another number of images, or a feature is not finite.
    """
    total = max(count, score_count or count)
    moments, kept, few, done = Moments(), [], False, 0
    logits_seen = _Logits(count, score_count or count, features.name == "digits")
    for images in batches:
        new_rows, logits = features(images)
        logits_seen.update(logits, images)
        done += len(new_rows)
        new_rows = new_rows[: max(count - moments.count, 0)]
        few = count < new_rows.shape[1]
        if few or moments.count < rows:
            kept.append(new_rows if few else new_rows[: rows - moments.count])
        if len(new_rows):
            moments.update(new_rows)
        if progress is not None:
            progress(done, total)
    if done != total:
        raise ValueError(f"`batches` must have `count` images. Received: {done}, count={total}")
    all_kept = np.concatenate(kept) if kept else None
    return Statistics(
        *moments.result(),
        count,
        name,
        rows=all_kept[:rows] if rows else None,
        score=logits_seen.score(),
        class_shares=logits_seen.class_shares(),
        factor=factor(all_kept) if few else None,
        fingerprint=features.fingerprint,
        score_count=score_count,
    )


class _Logits:
    """The part of the statistics that is of the logits of images, (n, classes).

    Args:
        count: number of images whose classes are counted, the first.
        score_count: number of images that the score is of, the first.
        of_grey: whether the classes mean something for grey images alone, as those of digits.
    """

    def __init__(self, count, score_count, of_grey):
        self._count, self._score_count, self._of_grey = count, score_count, of_grey
        self._score = InceptionScore(score_count) if score_count >= SPLITS else None
        self._classes = None  # How many images were taken for each.
        self._done = 0
        self._colors = False

    def update(self, logits, images):
        if logits is None:
            return
        scored = logits[: max(self._score_count - self._done, 0)]
        if self._score is not None and len(scored):
            self._score.update(scored)
        if self._classes is None:
            self._classes = np.zeros(logits.shape[1], np.int64)
        counted = logits[: max(self._count - self._done, 0)]
        self._classes += np.bincount(counted.argmax(1), minlength=len(self._classes))
        self._done += len(logits)
        if self._of_grey and not self._colors:
            self._colors = bool(np.any(images != images[..., :1]))

    def score(self):
        if self._classes is None:
            return "the features have no logits"
        if self._score is None:
            return f"{SPLITS} splits need at least {SPLITS} images"
        return self._score.result()

    def class_shares(self):
        if self._classes is None or len(self._classes) > _MAX_CLASSES or self._colors:
            return None
        return (self._classes / self._count).tolist()


def reference_statistics(images, count, features, cache_dir=None, progress=None):
    """Computes statistics of the first images of a split, or reads them from a file if it is there.

    The file `DATASET-SPLIT-COUNT-HEIGHTxWIDTH-FEATURES-DIGEST.npz` holds float64 `mean` and
    `covariance`; the digest is of the images and of the network. It is written aside and renamed,
    and computed again if it cannot be read. Where there is no home for it, it is not kept.

    Args:
        images: `harness.datasets.Images`.
        count: number of images, the first of the split; all of them if there are fewer.
        features: `FeatureNetwork`.
        cache_dir: the folder of the files; None is `tfnorm` in `$XDG_CACHE_HOME`, or in `~/.cache`.
        progress: called as `progress(done, count)` after each batch.

    Returns:
        `Statistics`, with the number of images that were used.

    Raises:
        ValueError: if `count` is less than 2, or a feature is not finite.
    """
    if count < 2:
        raise ValueError(f"`count` must be at least 2. Received: count={count}")
    pixels = images.images[:count]
    name = f"{images.name} {images.split}"
    folder = _cache_dir(cache_dir)
    path = folder and folder / _file_name(images, pixels, features)
    stored = path and _read(path)
    if stored is not None:
        return Statistics(*stored, len(pixels), name, fingerprint=features.fingerprint)
    computed = gather(batches(pixels), len(pixels), name, features, progress=progress)
    if path is not None:
        _write(path, computed.mean, computed.covariance)
    return dataclasses.replace(computed, score=_NO_SCORE, class_shares=None, factor=None)


def save(statistics, path):
    """Writes `Statistics` to an .npz file that `gan.metrics.sources.from_npz` reads.

    Args:
        statistics: the `Statistics`.
        path: an open binary file, or its path.
    """
    known = {"count": statistics.count, "fingerprint": statistics.fingerprint}
    np.savez(
        path,
        mean=statistics.mean,
        covariance=statistics.covariance,
        **{name: value for name, value in known.items() if value is not None},
    )


def distance(a, b):
    """Computes the Fréchet distance of two `Statistics`, by what is smallest of them."""
    if a.factor is None and b.factor is None:
        return frechet_distance(a.mean, a.covariance, b.mean, b.covariance)
    if a.factor is None or (b.factor is not None and len(b.factor) < len(a.factor)):
        a, b = b, a
    return distance_by_factor(a.mean, a.factor, b.mean, b.covariance, b.factor)


def batches(images, size=_BATCH_SIZE):
    """Yields an array of images, (n, height, width, channels), in batches of `size`."""
    for start in range(0, len(images), size):
        yield images[start : start + size]


def _cache_dir(given):
    """The folder of the files; None if it would be in a home, and there is none."""
    if given is not None:
        return pathlib.Path(given)
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        return cache.expanduser() / "tfnorm"
    except RuntimeError as error:  # as of a user without an entry in the system's list
        _not_kept(cache, error)
        return None


def _file_name(images, pixels, features):
    digest = hashlib.sha256(f"{features.fingerprint} {pixels.dtype} {pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels))
    height, width = pixels.shape[1:3]
    parts = (
        images.name,
        images.split,
        len(pixels),
        f"{height}x{width}",
        features.name,
        digest.hexdigest()[:12],
    )
    return re.sub(r"[^\w.-]+", "_", "-".join(map(str, parts))) + ".npz"


def _read(path):
    """Reads mean and covariance from a file; None if there is none that is whole."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            mean, covariance = arrays["mean"], arrays["covariance"]
        return gaussian(mean, covariance) if mean.dtype == covariance.dtype == np.float64 else None
    except Exception:  # Damaged files surface as one of many types.
        return None


def _write(path, mean, covariance):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as aside:
            file = pathlib.Path(aside, path.name)
            np.savez(file, mean=mean, covariance=covariance)
            file.replace(path)
    except OSError as error:
        _not_kept(path, error)


def _not_kept(path, error):
    """Says it, and no more: a run goes on without the file, which only saves time."""
    logging.getLogger(__name__).warning("Statistics are not kept in %s: %s", path, error)
