"""Mean and covariance of the features of real images, kept in files."""

import dataclasses
import hashlib
import logging
import os
import pathlib
import re
import tempfile
import zipfile

import numpy as np

from gan.metrics.frechet import moments


@dataclasses.dataclass(frozen=True, eq=False)
class Statistics:
    """What the Fréchet distance needs to know of real images.

    Attributes:
        mean: float64 (d,), of the features.
        covariance: float64 (d, d), unbiased.
        count: number of images n.
        name: dataset and split, as "digits test".
    """

    mean: np.ndarray = dataclasses.field(repr=False)
    covariance: np.ndarray = dataclasses.field(repr=False)
    count: int
    name: str


def reference_statistics(images, count, features, cache_dir=None, progress=None):
    """Statistics of the features of the first images of a split, from a file if there is one.

    The file `DATASET-SPLIT-COUNT-HEIGHTxWIDTH-FEATURES-DIGEST.npz` holds float64 `mean` and
    `covariance`; the digest is of the images and of the network. It is written aside and renamed,
    and computed again if it cannot be read.

    Args:
        images: `tfnorm.training.datasets.Images`.
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
    found = _read(path)
    if found is None:
        found = moments(features(pixels, progress=progress)[0])
        _write(path, *found)
    return Statistics(*found, len(pixels), name)


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
    """Mean and covariance from a file, or None if there is none that is whole."""
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
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
            np.savez(file, mean=mean, covariance=covariance)
        os.replace(file.name, path)
    except OSError as error:  # A run goes on without the file: it only saves time.
        logging.getLogger(__name__).warning("Statistics are not kept in %s: %s", path, error)
