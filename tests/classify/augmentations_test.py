import io
import math

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from PIL import Image

from classify.augmentations import (
    AUGMENTATIONS,
    central_crop,
    crop_flip,
    none,
    random_window,
    resized_crop_flip,
    shift_flip,
)


def _smooth(height, width, seed=0):
    """A photograph's stand-in: smooth enough that decoders agree, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    noise = scipy.ndimage.gaussian_filter(rng.normal(size=(height, width, 3)), (6, 6, 0))
    return np.clip(128 + noise * 60 / noise.std(), 0, 255).astype(np.uint8)


def _bytes(pixels, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def _numbers(areas=0.5, aspects=0.5, top=0.5, left=0.5, flip=0.9):
    return np.float32([*np.broadcast_to(areas, 10), *np.broadcast_to(aspects, 10), top, left, flip])


WHOLE = _numbers(areas=1.0)


def test_none_is_the_images():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 1), np.uint8)
    np.testing.assert_array_equal(none(images, np.zeros((2, 0), np.float32)), images)


@pytest.mark.parametrize("height, width, channels", [(32, 32, 3), (9, 14, 1)])
def test_shift_flip_agrees_with_scipy(height, width, channels):
    rng = np.random.default_rng(1)
    images = rng.normal(size=(40, height, width, channels)).astype(np.float32)
    numbers = rng.random((40, 3)).astype(np.float32)
    moved = shift_flip(images, numbers).numpy()
    assert moved.dtype == np.float32 and moved.shape == images.shape
    for image, (u, v, flip), result in zip(images, numbers, moved, strict=True):
        # Keras takes pixel (y, x) from (y + down, x + right); SciPy's shift is the other way.
        down, right = (2 * float(u) - 1) * height / 8, (2 * float(v) - 1) * width / 8
        expected = scipy.ndimage.shift(image, (-down, -right, 0), order=1, mode="constant")
        if flip < 0.5:
            expected = expected[:, ::-1]
        np.testing.assert_allclose(result, expected, atol=2e-5)


def test_shift_flip_by_whole_pixels_is_exact():
    images = np.random.default_rng(2).normal(size=(2, 16, 24, 3)).astype(np.float32)
    # Down by 1 of at most 2 pixels, left by 2 of at most 3.
    numbers = np.float32([[0.75, 1 / 6, 0.9], [0.75, 1 / 6, 0.1]])
    expected = np.zeros_like(images)
    expected[:, :-1, 2:] = images[:, 1:, :-2]
    expected[1] = expected[1, :, ::-1]
    np.testing.assert_allclose(shift_flip(images, numbers), expected, atol=1e-5)
    still = np.float32([[0.5, 0.5, 0.5], [0.5, 0.5, 0.4]])
    np.testing.assert_array_equal(shift_flip(images, still), [images[0], images[1, :, ::-1]])


def test_crop_flip_is_a_slice_of_the_padded_image():
    images = np.random.default_rng(3).integers(1, 256, (162, 10, 7, 3), np.uint8)
    tops, lefts, flips = (a.ravel() for a in np.meshgrid(range(9), range(9), range(2)))
    numbers = np.stack([(tops + 0.5) / 9, (lefts + 0.5) / 9, np.where(flips, 0.49, 0.5)], 1)
    cropped = crop_flip(images, numbers.astype(np.float32)).numpy()
    assert cropped.dtype == np.float32
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)))
    for i, (top, left, flip) in enumerate(zip(tops, lefts, flips, strict=True)):
        expected = padded[i, top : top + 10, left : left + 7]
        np.testing.assert_array_equal(cropped[i], expected[:, ::-1] if flip else expected)


def test_crop_flip_at_the_ends_of_the_numbers():
    images = np.full((2, 6, 6, 1), 9, np.uint8)
    last = np.nextafter(np.float32(1), np.float32(0))
    cropped = crop_flip(images, np.float32([[0, 0, 0.9], [last, last, 0.9]])).numpy()
    expected = np.zeros((2, 6, 6, 1))
    expected[0, 4:, 4:] = expected[1, :2, :2] = 9
    np.testing.assert_array_equal(cropped, expected)


def _torchvision_window(height, width, numbers):
    """RandomResizedCrop.get_params, with given numbers."""
    places = numbers[20:22]
    for u, v in zip(numbers[:10], numbers[10:20], strict=True):
        area = height * width * (0.08 + 0.92 * float(u))
        aspect = math.exp(math.log(3 / 4) + float(v) * (math.log(4 / 3) - math.log(3 / 4)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            top, left = float(places[0]) * (height - h + 1), float(places[1]) * (width - w + 1)
            return [int(top), int(left), h, w]
    w, h = width, height
    if width / height < 3 / 4:
        h = round(width / (3 / 4))
    elif width / height > 4 / 3:
        w = round(height * (4 / 3))
    return [(height - h) // 2, (width - w) // 2, h, w]


@pytest.mark.parametrize(
    "height, width", [(375, 500), (500, 375), (64, 64), (1, 1), (3, 2), (40, 400), (401, 40)]
)
def test_windows_are_torchvisions(height, width):
    numbers = np.random.default_rng(height).random((40, 22)).astype(np.float32)
    windows = tf.map_fn(
        lambda row: random_window(height, width, row), numbers, fn_output_signature=tf.int32
    ).numpy()
    expected = [_torchvision_window(height, width, row) for row in numbers]
    np.testing.assert_array_equal(windows, expected)
    assert np.all(windows[:, :2] >= 0) and np.all(windows[:, 2:] >= 1)
    assert np.all(windows[:, :2] + windows[:, 2:] <= [height, width])


def test_windows_cover_the_areas_and_aspects():
    numbers = np.random.default_rng(0).random((400, 22)).astype(np.float32)
    draw = tf.function(lambda row: random_window(1000, 1000, row))
    windows = np.stack([draw(row) for row in numbers])
    area = windows[:, 2] * windows[:, 3] / 1e6
    aspect = windows[:, 3] / windows[:, 2]
    assert 0.079 < area.min() < 0.1 and 0.9 < area.max() <= 1
    assert 0.749 < aspect.min() < 0.77 and 1.3 < aspect.max() < 1.335
    assert abs(np.log(aspect).mean()) < 0.03


def test_no_window_fits():
    # All of the area at an aspect of 4/3 is wider than a square.
    window = random_window(100, 100, _numbers(areas=1.0, aspects=1.0)[:22])
    np.testing.assert_array_equal(window, [0, 0, 100, 100])
    window = random_window(100, 400, _numbers(areas=1.0)[:22])
    np.testing.assert_array_equal(window, [0, 133, 100, 133])
    # The third try is the first that fits: a quarter of the area, square.
    areas, aspects = np.ones(10), np.ones(10)
    areas[2:], aspects[2:] = (0.25 - 0.08) / 0.92, 0.5
    areas[3:] = 0
    window = random_window(100, 100, _numbers(areas, aspects, top=0, left=0.99)[:22])
    np.testing.assert_array_equal(window, [0, 50, 50, 50])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_crop_of_the_whole_image_is_a_resize(kind):
    encoded = _bytes(_smooth(60, 60), kind)
    pixels = np.asarray(Image.open(io.BytesIO(encoded)))
    for flip in (0.5, 0.49):
        crop = resized_crop_flip(encoded, np.append(WHOLE[:-1], np.float32(flip)), 24).numpy()
        assert crop.dtype == np.float32 and crop.shape == (24, 24, 3)
        expected = np.asarray(Image.fromarray(pixels).resize((24, 24), Image.BILINEAR))
        # PIL rounds twice.
        np.testing.assert_allclose(crop, expected[:, ::-1] if flip < 0.5 else expected, atol=1.01)
    np.testing.assert_array_equal(resized_crop_flip(encoded, WHOLE, 60), pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_crop_is_a_resized_slice(kind):
    encoded = _bytes(_smooth(90, 120), kind, **({"subsampling": 0} if kind == "JPEG" else {}))
    pixels = np.asarray(Image.open(io.BytesIO(encoded)))
    for numbers in np.random.default_rng(0).random((20, 23)).astype(np.float32):
        top, left, height, width = _torchvision_window(90, 120, numbers[:22])
        part = Image.fromarray(pixels[top : top + height, left : left + width])
        expected = np.asarray(part.resize((32, 32), Image.BILINEAR))
        if numbers[22] < 0.5:
            expected = expected[:, ::-1]
        np.testing.assert_allclose(resized_crop_flip(encoded, numbers, 32), expected, atol=1.51)


@pytest.mark.parametrize(
    "kind, mode",
    [
        *(("PNG", mode) for mode in ("RGB", "L", "RGBA", "P")),
        *(("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
        *(("BMP", mode) for mode in ("RGB", "L")),
        ("GIF", "P"),
    ],
)
def test_whatever_image_folders_hold_becomes_three_channels(kind, mode):
    image = Image.fromarray(np.repeat(_smooth(24, 24)[..., :1], 3, -1)).convert(mode)
    file = io.BytesIO()
    image.save(file, kind)
    expected = np.asarray(image.convert("RGB"))
    # A JPEG's loss.
    tolerance = 6 if kind == "JPEG" else 0
    crop = resized_crop_flip(file.getvalue(), WHOLE, 24)
    np.testing.assert_allclose(crop, expected, atol=tolerance)


@pytest.mark.parametrize("height, width", [(256, 300), (301, 256), (256, 256), (256, 257)])
def test_central_crop_without_a_resize_is_a_slice(height, width):
    pixels = _smooth(height, width)
    top, left = round((height - 224) / 2), round((width - 224) / 2)
    expected = pixels[top : top + 224, left : left + 224]
    np.testing.assert_array_equal(central_crop(_bytes(pixels), 224), expected)


@pytest.mark.parametrize("height, width", [(75, 100), (131, 60), (20, 23)])
def test_central_crop_agrees_with_pil(height, width):
    pixels = _smooth(height, width)
    short = 37  # of 32 * 256 / 224 = 36.57
    size = (
        (short, int(short * width / height))
        if height < width
        else (int(short * height / width), short)
    )
    whole = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.BILINEAR))
    top, left = round((size[0] - 32) / 2), round((size[1] - 32) / 2)
    expected = whole[top : top + 32, left : left + 32]
    np.testing.assert_allclose(central_crop(_bytes(pixels), 32), expected, atol=1.01)


def test_the_table_says_what_each_takes():
    images = np.zeros((2, 8, 8, 3), np.float32)
    for augmentation in AUGMENTATIONS.values():
        numbers = np.zeros((2, augmentation.numbers), np.float32)
        if augmentation.decodes:
            result = augmentation.function(_bytes(_smooth(9, 9)), numbers[0], 8)
            assert result.shape == images.shape[1:]
        else:
            assert augmentation.takes in ("raw", "scaled")
            assert augmentation.function(images, numbers).shape == images.shape
