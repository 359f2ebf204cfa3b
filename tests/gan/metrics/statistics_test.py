import numpy as np
import pytest

from gan.metrics.features import FeatureNetwork
from gan.metrics.statistics import reference_statistics
from tfnorm.training.datasets import Images


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


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "nan", "shape", "missing"])
def test_a_damaged_file_is_computed_again(images, tmp_path, damage):
    pixels = _Pixels()
    reference_statistics(images, 12, pixels.network, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    mean, covariance = np.zeros(3), np.eye(3)
    if damage in ("empty", "truncated", "text"):
        path.write_bytes({"empty": b"", "truncated": whole[:-100], "text": b"text"}[damage])
    elif damage == "nan":
        np.savez(path, mean=mean * np.nan, covariance=covariance)
    elif damage == "shape":
        np.savez(path, mean=mean, covariance=covariance[:2])
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


def test_a_folder_that_cannot_be_written_is_no_failure(images, tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    statistics = reference_statistics(images, 12, _Pixels().network, tmp_path / "file")
    _check(statistics, images.images[:12])
    assert "are not kept" in caplog.text


def test_progress_and_bad_count(images, tmp_path):
    seen = []
    reference_statistics(
        images, 12, _Pixels().network, tmp_path, progress=lambda *step: seen.append(step)
    )
    assert seen[-1] == (12, 12)
    for count in (1, 0, -5):
        with pytest.raises(ValueError, match=f"Received: count={count}"):
            reference_statistics(images, count, _Pixels().network, tmp_path)
