import pwd
import tracemalloc

import numpy as np
import pytest

from gan.metrics.features import FeatureNetwork
from gan.metrics.inception_score import inception_score
from gan.metrics.statistics import batches, gather, reference_statistics
from harness.datasets import Images


class _Pixels:
    """A feature network: the first three pixels, and how often it was asked."""

    def __init__(self, fingerprint="0123"):
        self.calls = 0
        self.network = FeatureNetwork("pixels", fingerprint, self._function)

    def _function(self, images):
        self.calls += 1
        return images[:, 0, :3, 0], None


@pytest.fixture
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 4, 5, 1), dtype=np.uint8)
    return Images("toys/large", "test", pixels, np.zeros(20, np.int64), 1)


def _check(statistics, pixels):
    rows = pixels[:, 0, :3, 0].astype(np.float64)
    np.testing.assert_allclose(statistics.mean, rows.mean(0), rtol=1e-6)
    np.testing.assert_allclose(statistics.covariance, np.cov(rows.T), rtol=1e-6)
    assert statistics.count == len(rows)


def test_statistics_are_computed_once(images, tmp_path):
    pixels = _Pixels()
    first = reference_statistics(images, 12, pixels.network, tmp_path)
    _check(first, images.images[:12])
    assert first.name == "toys/large test"
    calls = pixels.calls
    again = reference_statistics(images, 12, pixels.network, tmp_path)
    assert pixels.calls == calls
    np.testing.assert_array_equal(again.mean, first.mean)
    np.testing.assert_array_equal(again.covariance, first.covariance)
    assert (again.count, again.name) == (first.count, first.name)


def test_the_file_says_what_it_holds(images, tmp_path):
    reference_statistics(images, 12, _Pixels().network, tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("toys_large-test-12-4x5-pixels-") and path.suffix == ".npz"
    with np.load(path) as arrays:
        assert sorted(arrays) == ["covariance", "mean"]


def test_more_images_than_there_are(images, tmp_path):
    statistics = reference_statistics(images, 10000, _Pixels().network, tmp_path)
    _check(statistics, images.images)
    assert next(tmp_path.iterdir()).name.startswith("toys_large-test-20-")


def test_other_images_or_network_have_other_files(images, tmp_path):
    network = _Pixels().network
    reference_statistics(images, 12, network, tmp_path)
    images.images[3, 0, 0, 0] ^= 1
    _check(reference_statistics(images, 12, network, tmp_path), images.images[:12])
    images.images[15] ^= 1  # Not among the first 12.
    reference_statistics(images, 12, network, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    reference_statistics(images, 12, _Pixels("4567").network, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    "damage", ["empty", "truncated", "text", "version", "nan", "shape", "negative", "missing"]
)
def test_a_damaged_file_is_computed_again(images, tmp_path, damage):
    pixels = _Pixels()
    reference_statistics(images, 12, pixels.network, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    mean, covariance = np.zeros(3), np.eye(3)
    if damage == "version":  # which is not NumPy's error, but zipfile's
        at = whole.rfind(b"PK\x01\x02") + 6
        path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
    elif damage in ("empty", "truncated", "text"):
        path.write_bytes({"empty": b"", "truncated": whole[:-100], "text": b"text"}[damage])
    elif damage == "nan":
        np.savez(path, mean=mean * np.nan, covariance=covariance)
    elif damage == "shape":
        np.savez(path, mean=mean, covariance=covariance[:2])
    elif damage == "negative":
        np.savez(path, mean=mean, covariance=-covariance)
    else:
        np.savez(path, mean=mean)
    calls = pixels.calls
    _check(reference_statistics(images, 12, pixels.network, tmp_path), images.images[:12])
    assert pixels.calls > calls
    reference_statistics(images, 12, pixels.network, tmp_path)
    assert pixels.calls == calls + 1
    assert list(tmp_path.iterdir()) == [path]


def test_default_folder(images, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    reference_statistics(images, 12, _Pixels().network)
    assert len(list((tmp_path / "cache/tfnorm").iterdir())) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    reference_statistics(images, 12, _Pixels().network)
    assert len(list((tmp_path / "home/.cache/tfnorm").iterdir())) == 1


def test_a_user_without_a_home_is_no_failure(images, tmp_path, caplog, monkeypatch):
    def unknown(user):
        raise KeyError(user)

    for variable in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    _check(reference_statistics(images, 12, _Pixels().network), images.images[:12])
    assert "are not kept in ~/.cache: " in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_failure(images, tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    statistics = reference_statistics(images, 12, _Pixels().network, tmp_path / "file")
    _check(statistics, images.images[:12])
    assert "are not kept" in caplog.text


def test_a_full_disk_is_no_failure_and_nothing_stays_of_the_file(
    images, tmp_path, caplog, small_files
):
    with small_files(300):
        _check(reference_statistics(images, 20, _Pixels().network, tmp_path), images.images)
    assert "are not kept" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_progress_and_bad_count(images, tmp_path):
    seen = []
    reference_statistics(
        images, 12, _Pixels().network, tmp_path, progress=lambda *step: seen.append(step)
    )
    assert seen[-1] == (12, 12)
    for count in (1, 0, -5):
        with pytest.raises(ValueError, match=f"Received: count={count}"):
            reference_statistics(images, count, _Pixels().network, tmp_path)


def _network(width=3, classes=None):
    """A feature network of NumPy: pixels as features, others as logits."""

    class Array(np.ndarray):
        def numpy(self):
            return np.asarray(self)

    def function(images):
        pixels = images.numpy().reshape(len(images), -1)
        logits = None if classes is None else pixels[:, -classes:].view(Array)
        return pixels[:, :width].view(Array), logits

    return FeatureNetwork("pixels", "0", function)


@pytest.fixture
def pixels():
    return np.random.default_rng(1).uniform(0, 9, (43, 4, 5, 3)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 10, 43, 50])
def test_gathered_in_batches(pixels, size):
    seen = []
    statistics = gather(
        batches(pixels, size),
        43,
        "toys",
        _network(classes=6),
        rows=25,
        progress=lambda *step: seen.append(step),
    )
    flat = pixels.reshape(43, -1)
    np.testing.assert_allclose(statistics.mean, flat[:, :3].mean(0), rtol=1e-6)
    np.testing.assert_allclose(
        statistics.covariance, np.cov(flat[:, :3].T.astype(float)), rtol=1e-6
    )
    np.testing.assert_array_equal(statistics.rows, flat[:25, :3])
    assert statistics.rows.dtype == np.float32
    np.testing.assert_allclose(statistics.score, inception_score(flat[:, -6:]), rtol=1e-12)
    shares = np.bincount(flat[:, -6:].argmax(1), minlength=6) / 43
    np.testing.assert_allclose(statistics.class_shares, shares)
    assert (statistics.count, statistics.name) == (43, "toys")
    assert [step[0] for step in seen] == [*range(size, 43, size), 43]


def test_what_is_not_there(pixels):
    statistics = gather(batches(pixels), 43, "toys", _network())
    assert statistics.rows is None and statistics.class_shares is None
    assert statistics.score == "the features have no logits"
    statistics = gather(batches(pixels[:9]), 9, "toys", _network(classes=6))
    assert statistics.score == "10 splits need at least 10 images"
    assert len(statistics.class_shares) == 6
    statistics = gather(batches(pixels[:10]), 10, "toys", _network(classes=6))
    assert statistics.score == pytest.approx((1, 0))  # of one image in a split


def test_memory_does_not_grow_with_the_images():
    def images(count):
        for start in range(0, count, 50):
            yield np.random.default_rng(start).uniform(0, 9, (50, 4, 5, 3)).astype(np.float32)

    def peak(count):
        tracemalloc.start()
        try:
            gather(images(count), count, "toys", _network(60, classes=6))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # What is imported and compiled the first time.
    assert peak(4000) < peak(100) + 4000 * 60


def test_another_number_of_images(pixels):
    with pytest.raises(ValueError, match="Received: 43, count=44"):
        gather(batches(pixels), 44, "toys", _network())
    with pytest.raises(ValueError, match="Received: count=1"):
        gather(batches(pixels[:1]), 1, "toys", _network())
