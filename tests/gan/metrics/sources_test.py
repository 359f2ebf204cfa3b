import pathlib

import numpy as np
import pytest

from gan.metrics import sources
from gan.metrics.features import FeatureNetwork
from gan.metrics.statistics import Statistics
from harness.datasets import Images


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (7, 3, 5, 3), dtype=np.uint8)


def _all(source, count):
    return np.concatenate(list(source.batches(count)))


def _read(path):
    """An image of one value, from a text file that says it and the size."""
    try:
        value, height, width = map(int, path.read_text().split())
    except ValueError as error:
        raise ValueError(f"{path} is damaged") from error
    return np.full([height, width, 3], value, np.uint8)


def _source(folder, **options):
    files = sorted(folder.rglob("*.png"))
    return sources.from_folder(folder, files, _read, **options)


def _write(folder, names, size="2 3"):
    for value, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value} {size}")
    return folder


def _order(images, pixels):
    return [int(np.flatnonzero((pixels == image).all((1, 2, 3)))[0]) for image in images]


def test_an_array_is_shuffled(pixels):
    source = sources.from_array("toys", pixels)
    assert (source.name, source.count, source.size, source.split) == ("toys", 7, (3, 5), None)
    order = _order(_all(source, 7), pixels)
    assert sorted(order) == list(range(7)) != order
    assert _order(_all(source, 4), pixels) == order[:4]
    other = sources.from_array("toys", pixels, seed=1)
    assert _order(_all(other, 7), pixels) != order


def test_a_split(pixels):
    split = Images("toys", "test", pixels, np.zeros(7, np.int64), 1)
    source = sources.from_split(split)
    assert source.name == "toys test" and source.split is split
    assert sorted(_order(_all(source, 7), pixels)) == list(range(7))


def test_a_generator(pixels):
    asked = []

    def sample(count):
        asked.append(count)
        yield np.array([-1.5, -1, 0, 0.5, 1, 2]).reshape(1, 2, 3, 1)

    source = sources.from_generator("run", sample, (2, 3))
    assert (source.name, source.count, source.size) == ("run", None, (2, 3))
    np.testing.assert_allclose(_all(source, 1).ravel(), [0, 0, 127.5, 191.25, 255, 255])
    assert asked == [1]


@pytest.mark.parametrize("sub", [("a/", "b/"), ("a", "b")])
def test_images_of_a_folder_are_mixed(tmp_path, sub):
    names = [f"{label}{i:02d}.png" for label in sub for i in range(30)]
    folder = _write(tmp_path, names)
    source = _source(folder)
    assert (source.name, source.count, source.size) == (tmp_path.name, 60, (2, 3))
    values = _all(_source(folder), 60)[:, 0, 0, 0]
    assert sorted(values) == list(range(60))
    assert 5 < np.sum(values[:30] < 30) < 25
    np.testing.assert_array_equal(_all(_source(folder), 60)[:, 0, 0, 0], values)
    other = _all(_source(folder, seed=1), 60)[:, 0, 0, 0]
    assert list(other) != list(values)


def test_bad_folders(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty is a folder without images"):
        _source(tmp_path / "empty")
    folder = _write(tmp_path / "sizes", ["0.png", "1.png"])
    (folder / "2.png").write_text("2 4 3")
    with pytest.raises(ValueError, match="--image_size.* Received: 4x3 of .*2.png, 2x3 of .*0.png"):
        _all(_source(folder), 3)


@pytest.mark.parametrize("name", ["images", "arr_0"])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_npz_of_images(tmp_path, pixels, name, channels):
    pixels = pixels[..., :channels]
    np.savez_compressed(tmp_path / "a.npz", **{name: pixels})
    source = sources.from_npz(tmp_path / "a.npz")
    assert (source.name, source.count, source.size) == ("a", 7, (3, 5))
    assert sorted(_order(_all(source, 7), pixels)) == list(range(7))


def test_an_npz_of_both(tmp_path, pixels):
    """The images need not be those of the statistics, which published distances are of."""
    np.savez(tmp_path / "a.npz", arr_0=pixels, mu=np.ones(2), sigma=np.eye(2))
    statistics = sources.from_npz(tmp_path / "a.npz")
    assert statistics.name == "a (its statistics)"
    np.testing.assert_array_equal(statistics.mean, [1, 1])
    source = sources.from_npz(tmp_path / "a.npz", sources.IMAGES)
    assert (source.name, source.count) == ("a (its images)", 7)
    order = np.random.default_rng(0).permutation(7)
    np.testing.assert_array_equal(_all(source, 7), pixels[order])


def test_an_npz_of_statistics(tmp_path):
    mean, covariance = np.arange(2.0), np.eye(2) * 3
    np.savez(tmp_path / "ours.npz", mean=mean, covariance=covariance, count=50)
    np.savez(tmp_path / "theirs.npz", mu=mean.astype(np.float32), sigma=covariance)
    for name, count in [("ours", 50), ("theirs", None)]:
        statistics = sources.from_npz(tmp_path / f"{name}.npz")
        assert isinstance(statistics, Statistics)
        assert (statistics.name, statistics.count) == (name, count)
        assert statistics.mean.dtype == statistics.covariance.dtype == np.float64
        np.testing.assert_array_equal(statistics.mean, mean)
        np.testing.assert_array_equal(statistics.covariance, covariance)


def test_bad_npz(tmp_path, pixels):
    path = tmp_path / "a.npz"
    mean, covariance = np.zeros(2), np.eye(2)
    bad = {
        "images, arr_0, mean and covariance.* Received: none of these": {"pictures": pixels},
        "mu and sigma. Received: mu": {"mu": mean},
        "uint8 .*Received: dtype=float32, shape=.7, 3, 5, 3": {"images": pixels.astype("f")},
        "Received: dtype=uint8, shape=.7, 3, 5.": {"arr_0": pixels[..., 0]},
        "Received: dtype=uint8, shape=.7, 3, 5, 2.": {"images": pixels[..., :2]},
        r"covariance.shape=\(1, 2\)": {"mu": mean, "sigma": covariance[:1]},
        r"mean.shape=\(0,\)": {"mu": mean[:0], "sigma": covariance[:0, :0]},
        "`mean` must be finite. Received: 2 of 2": {"mu": mean * np.nan, "sigma": covariance},
        r"numbers.*Received: <U1 \(2,\)": {"mu": np.array(["a", "b"]), "sigma": covariance},
        r"numbers.*Received: complex128 \(2,\)": {"mu": mean * 1j, "sigma": covariance},
        "`covariance` must have no variance below zero. Received: -1$": {
            "mu": mean,
            "sigma": -covariance,
        },
        "`covariance` must be symmetric": {"mu": mean, "sigma": np.triu(covariance + 1)},
        "`mean` must have no values beyond 1e.100.*Received: 1e.200": {
            "mu": mean + 1e200,
            "sigma": covariance,
        },
        "damaged, or no .npz": {"images": np.array([None, 1])},
    }
    for message, arrays in bad.items():
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=message):
            sources.from_npz(path)


@pytest.mark.parametrize("count", [1, 0, -5, 2.5, np.inf, np.nan, 1 + 2j, True, "7", [50]])
def test_a_count_that_is_none(tmp_path, count):
    path = tmp_path / "a.npz"
    np.savez(path, mean=np.zeros(2), covariance=np.eye(2), count=count)
    with pytest.raises(ValueError, match="a.npz must have a count .* of at least 2.* Received: c"):
        sources.from_npz(path)
    np.savez(path, mean=np.zeros(2), covariance=np.eye(2), count=50.0)
    assert sources.from_npz(path).count == 50


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "flipped", "npy"])
def test_a_damaged_npz(tmp_path, pixels, damage):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=pixels)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[150] ^= 255
    if damage == "npy":
        np.save(tmp_path / "a.npy", pixels)
        pathlib.Path(tmp_path / "a.npy").rename(path)
    else:
        path.write_bytes(
            {"empty": b"", "text": b"text", "truncated": whole[:-40], "flipped": flipped}[damage]
        )
    with pytest.raises(ValueError, match="a.npz is damaged, or no .npz"):
        sources.from_npz(path)


def test_sides_that_cannot_be_compared(pixels):
    class Array(np.ndarray):
        def numpy(self):
            return np.asarray(self)

    sizes = []

    def function(images):
        sizes.append(tuple(images.shape[1:3]))
        return np.zeros([len(images), 4], np.float32).view(Array), None

    features = FeatureNetwork("means", "0", function)
    small, large = (sources.from_array("toys", pixels[:, :size]) for size in (2, 3))
    unknown = sources.from_generator("run", lambda count: iter([]))
    file = Statistics(np.zeros(4), np.eye(4), None, "file")
    other = Statistics(np.zeros(5), np.eye(5), None, "other")
    for pair in [(small, small), (small, unknown), (unknown, unknown), (file, small)]:
        sources.check_comparable(pair, features)
    sources.check_comparable((file, unknown), features)
    assert sizes == [(2, 5), (32, 32)]
    with pytest.raises(ValueError, match="--image_size. Received: toys 2x5, toys 3x5"):
        sources.check_comparable((small, large), features)
    with pytest.raises(ValueError, match="other .* by means. Received: 5 features in place of 4"):
        sources.check_comparable((unknown, other), features)
