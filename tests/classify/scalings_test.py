import numpy as np
import pytest
import tensorflow as tf

from classify.scalings import SCALINGS, Scaling, make_scaling
from harness.datasets import Images
from harness.errors import UserError


def _images(pixels):
    return Images("x", "train", pixels, np.zeros(len(pixels), np.int64), 1)


def _random(n=2300, dtype=np.uint8):
    """More than two chunks, of another mean and spread at each pixel and channel."""
    rng = np.random.default_rng(0)
    top = rng.integers(20, 256, (4, 5, 3))
    return _images((rng.random((n, 4, 5, 3)) * top).astype(dtype))


def _moments(name, pixels):
    """Mean and divisor by NumPy's own moments, in float64."""
    axes = (0, 1, 2) if name == "channel_std" else 0
    pixels = pixels.astype(np.float64)
    return pixels.mean(axes), pixels.var(axes) if "variance" in name else pixels.std(axes)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("name", ["pixel_variance", "pixel_std", "channel_std"])
def test_moments_of_the_training_set(name, dtype):
    images = _random(dtype=dtype)
    scaling = make_scaling(name, images)
    mean, divisor = _moments(name, images.images)
    assert scaling.mean.dtype == scaling.divisor.dtype == np.float32
    np.testing.assert_allclose(scaling.mean, mean, rtol=1e-7)
    np.testing.assert_allclose(scaling.divisor, divisor, rtol=1e-7)
    expected = (images.images[:7] - mean) / divisor
    np.testing.assert_allclose(scaling(images.images[:7]), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["pixel_std", "channel_std"])
def test_the_training_set_becomes_standard(name):
    images = _random()
    scaled = make_scaling(name, images)(images.images).numpy().astype(np.float64)
    axes = (0, 1, 2) if name == "channel_std" else 0
    np.testing.assert_allclose(scaled.mean(axes), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.var(axes), 1, rtol=1e-5)


def test_variance_of_cifar_like_images_gives_small_inputs():
    rng = np.random.default_rng(0)
    pixels = np.clip(rng.normal(120, 63, (500, 2, 2, 3)), 0, 255).astype(np.uint8)
    scaled = make_scaling("pixel_variance", _images(pixels))(pixels).numpy()
    np.testing.assert_allclose(scaled.std(), 1 / 60, rtol=0.05)


@pytest.mark.parametrize("value", [0, 255, np.float32(100.3)])
@pytest.mark.parametrize("name", ["pixel_variance", "pixel_std"])
def test_a_pixel_that_never_varies(name, value):
    images = _random(dtype=np.asarray(value).dtype if value == np.float32(100.3) else np.uint8)
    images.images[:, 1, 2, 0] = value
    scaling = make_scaling(name, images)
    assert scaling.mean[1, 2, 0] == value and scaling.divisor[1, 2, 0] == 1
    np.testing.assert_array_equal(scaling(images.images)[:, 1, 2, 0], 0)
    other = np.full((1, 4, 5, 3), 7, np.uint8)
    assert scaling(other)[0, 1, 2, 0] == np.float32(7) - np.float32(value)
    assert np.all(np.isfinite(scaling(other)))


def test_a_pixel_that_hardly_varies():
    images = _images(np.where(np.arange(2000) < 1000, 7, 8).astype(np.uint8).reshape(-1, 1, 1, 1))
    assert make_scaling("pixel_std", images).divisor == np.float32(0.5)
    assert make_scaling("pixel_variance", images).divisor == np.float32(0.25)


def test_symmetric():
    scaling = make_scaling("symmetric")
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    scaled = scaling(values).numpy()
    assert scaled.dtype == np.float32 and scaled.shape == values.shape
    np.testing.assert_allclose(scaled, values / 127.5 - 1, atol=1e-7)
    assert scaled[0, 0, 0, 0] == -1 and scaled[0, 15, 15, 0] == 1


def test_imagenet():
    values = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3))
    expected = (values / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(make_scaling("imagenet")(values), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", SCALINGS)
def test_of_one_image_in_a_graph_of_unknown_size(name):
    images = _random()
    scaling = make_scaling(name, images)
    whole = scaling(images.images[:3])
    np.testing.assert_array_equal(scaling(images.images[0]), whole[0])
    traced = tf.function(scaling, input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
    np.testing.assert_allclose(traced(images.images[:3]), whole, rtol=1e-6)


@pytest.mark.parametrize("name", SCALINGS)
def test_saved_and_loaded(tmp_path, name):
    images = _random()
    scaling = make_scaling(name, images)
    scaling.save(tmp_path / "scaling.npz")
    again = Scaling.load(tmp_path / "scaling.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["scaling.npz"]
    for a, b in ((again.mean, scaling.mean), (again.divisor, scaling.divisor)):
        assert a.dtype == np.float32
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(again(images.images[:3]), scaling(images.images[:3]))


@pytest.mark.parametrize("damage", [lambda data: data[:-50], lambda data: b"", lambda data: b"no"])
def test_a_damaged_file(tmp_path, damage):
    file = tmp_path / "scaling.npz"
    make_scaling("imagenet").save(file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UserError, match="Damaged data: .*scaling.npz"):
        Scaling.load(file)


@pytest.mark.parametrize(
    "said, mean, divisor",
    [
        ("divisors are not above 0", [1.0], [0.0]),
        ("divisors are not above 0", [1.0], [-2.0]),
        ("means are not of pixels, from 0 to 255", [-1.0], [2.0]),
        ("means are not of pixels, from 0 to 255", [1e30], [2.0]),
        ("finite float32", [np.nan], [2.0]),
    ],
)
def test_values_that_no_images_give(tmp_path, said, mean, divisor):
    mean, divisor = np.array(mean, np.float32), np.array(divisor, np.float32)
    Scaling(mean, divisor).save(tmp_path / "scaling.npz")
    with pytest.raises(UserError, match=said):
        Scaling.load(tmp_path / "scaling.npz")


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"'symmetric'\]. Received: name='std'"):
        make_scaling("std", _random())
    for name in ("pixel_variance", "pixel_std", "channel_std"):
        with pytest.raises(ValueError, match=f"'{name}'. Received: images=None"):
            make_scaling(name)
    # Broadcast, three channels would come of one.
    with pytest.raises(ValueError, match=r"\(3,\) fits. Received: images.shape=\(2, 4, 4, 1\)"):
        make_scaling("imagenet")(np.zeros((2, 4, 4, 1)))
    with pytest.raises(ValueError, match=r"Received: images.shape=\(2, 5, 4, 3\)"):
        make_scaling("pixel_std", _random())(np.zeros((2, 5, 4, 3)))
