"""Statistics of a set of images, all that the metrics need; of real ones they are kept in files."""

import dataclasses
import hashlib
import logging
import os
import pathlib
import re
import tempfile
import zipfile

import numpy as np

from gan.metrics.frechet import Moments, distance_by_factor, factor, frechet_distance
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
        factor: F of the covariance F^T F, float64 (n, d), see `gan.metrics.frechet.factor`; None
            where there are as many images as features, or the images are not known.
        fingerprint: of the `FeatureNetwork`; None if a file of statistics does not say.
        class_shares: the fraction of the images that the network takes for each class; None if it
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


def gather(batches, count, name, features, rows=0, progress=None):
    """Gathers statistics of images that come in batches, in one pass.

    Memory does not grow with the number of images, but for the features that are kept: 4 d bytes
    for each of the first `rows` images, 82 MB for 10,000 of 2,048 features; and of all images if
    they are fewer than the features.

    Args:
        batches: yields images (n, height, width, 1 or 3) in [0, 255], `count` altogether.
        count: number of images, at least 2.
        name: of the set.
        features: `FeatureNetwork`.
        rows: number of images whose features are kept.
        progress: called as `progress(done, count)` after each batch.

    Returns:
        `Statistics`.

    Raises:
        ValueError: if there is another number of images, or a feature is not finite.
    """
    moments, kept, logits_seen, few = Moments(), [], _Logits(count), False
    for images in batches:
        new_rows, logits = features(images)
        few = count < new_rows.shape[1]
        if few or moments.count < rows:
            kept.append(new_rows if few else new_rows[: rows - moments.count])
        moments.update(new_rows)
        logits_seen.update(logits)
        if progress is not None:
            progress(moments.count, count)
    if moments.count != count:
        raise ValueError(
            f"`batches` must have `count` images. Received: {moments.count}, count={count}"
        )
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
    )


class _Logits:
    """The part of the statistics that is of the logits of `count` images, (n, classes)."""

    def __init__(self, count):
        self._count = count
        self._score = InceptionScore(count) if count >= SPLITS else None
        self._classes = None  # How many images were taken for each.

    def update(self, logits):
        if logits is None:
            return
        if self._score is not None:
            self._score.update(logits)
        if self._classes is None:
            self._classes = np.zeros(logits.shape[1], np.int64)
        self._classes += np.bincount(logits.argmax(1), minlength=len(self._classes))

    def score(self):
        if self._classes is None:
            return "the features have no logits"
        if self._score is None:
            return f"{SPLITS} splits need at least {SPLITS} images"
        return self._score.result()

    def class_shares(self):
        if self._classes is None or len(self._classes) > _MAX_CLASSES:
            return None
        return (self._classes / self._count).tolist()


def reference_statistics(images, count, features, cache_dir=None, progress=None):
    """Computes statistics of the first images of a split, or reads them from a file if it is there.

    The file `DATASET-SPLIT-COUNT-HEIGHTxWIDTH-FEATURES-DIGEST.npz` holds float64 `mean` and
    `covariance`; the digest is of the images and of the network. It is written aside and renamed,
    and computed again if it cannot be read.

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
    path = _cache_dir(cache_dir) / _file_name(images, pixels, features)
    stored = _read(path)
    if stored is not None:
        return Statistics(*stored, len(pixels), name, fingerprint=features.fingerprint)
    computed = gather(batches(pixels), len(pixels), name, features, progress=progress)
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
    if given is not None:
        return pathlib.Path(given)
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tfnorm"


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
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = (
        mean.dtype == covariance.dtype == np.float64
        and mean.ndim == 1
        and covariance.shape == (len(mean), len(mean))
        and np.isfinite(mean).all()
        and np.isfinite(covariance).all()
    )
    return (mean, covariance) if whole else None


def _write(path, mean, covariance):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as aside:
            file = pathlib.Path(aside, path.name)
            np.savez(file, mean=mean, covariance=covariance)
            file.replace(path)
    except OSError as error:  # A run goes on without the file: it only saves time.
        logging.getLogger(__name__).warning("Statistics are not kept in %s: %s", path, error)
