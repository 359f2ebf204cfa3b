"""One reader of images, to the numbers that Pillow gives."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from harness.datasets.decoding import decode, read_pixels

RANDOM = np.random.default_rng(0)
COLORS = RANDOM.integers(0, 256, (19, 23, 3), dtype=np.uint8)
COLOR = Image.fromarray(COLORS)
DEEP = RANDOM.integers(0, 1 << 16, (9, 7), dtype=np.uint16)


def file(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    return exif


def transparent(mode):
    image = COLOR.convert(mode)
    image.putalpha(Image.fromarray(COLORS[..., 0]))
    return image


def clear_palette():
    image = COLOR.quantize(16)
    image.info["transparency"] = bytes(range(16))
    return image


FILES = {
    "png": file(COLOR, "PNG"),
    "png grey": file(COLOR.convert("L"), "PNG"),
    "png palette": file(COLOR.quantize(200), "PNG"),
    "png palette of 4 bits": file(COLOR.quantize(9), "PNG"),
    "png palette, transparent": file(clear_palette(), "PNG"),
    "png rgba": file(transparent("RGB"), "PNG"),
    "png la": file(transparent("L"), "PNG"),
    "png 1 bit": file(COLOR.convert("1"), "PNG"),
    "jpeg": file(COLOR, "JPEG"),
    "jpeg at full color": file(COLOR, "JPEG", subsampling=0),
    "jpeg progressive": file(COLOR, "JPEG", progressive=True),
    "jpeg grey": file(COLOR.convert("L"), "JPEG"),
    "jpeg cmyk": file(COLOR.convert("CMYK"), "JPEG"),
    "jpeg rotated by exif": file(COLOR, "JPEG", exif=rotated()),
    "bmp": file(COLOR, "BMP"),
    "bmp palette": file(COLOR.quantize(200), "BMP"),
    "bmp 1 bit": file(COLOR.convert("1"), "BMP"),
    "gif": file(COLOR, "GIF", save_all=True, append_images=[COLOR.rotate(180)]),
    "webp": file(COLOR, "WEBP"),
    "webp animated": file(COLOR, "WEBP", save_all=True, append_images=[COLOR.rotate(180)]),
    "webp rgba": file(transparent("RGB"), "WEBP", lossless=True),
    "tiff": file(COLOR, "TIFF", compression="tiff_lzw"),
}


@pytest.mark.filterwarnings("ignore:Palette images")  # the expectation's
@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_of_pillow(name):
    expected = np.asarray(Image.open(io.BytesIO(FILES[name])).convert("RGB"))
    np.testing.assert_array_equal(read_pixels(FILES[name]), expected)
    np.testing.assert_array_equal(decode(tf.constant(FILES[name])), expected)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_of_16_bits_the_high_byte_counts(kind):
    # Of grey ones Pillow's `convert` makes 255 of all above 255.
    content = file(Image.fromarray(DEEP), kind)
    expected = np.repeat((DEEP >> 8).astype(np.uint8)[..., np.newaxis], 3, -1)
    np.testing.assert_array_equal(read_pixels(content), expected)
    np.testing.assert_array_equal(decode(tf.constant(content)), expected)
    colors = RANDOM.integers(0, 1 << 16, (5, 4, 3), dtype=np.uint16)
    content = tf.io.encode_png(colors)
    np.testing.assert_array_equal(read_pixels(content.numpy()), colors >> 8)
    np.testing.assert_array_equal(decode(content), colors >> 8)


def test_other_numbers_of_channels():
    grey = np.asarray(COLOR.convert("L"))[..., np.newaxis]
    for name in ("png grey", "jpeg grey"):
        expected = np.asarray(Image.open(io.BytesIO(FILES[name])))[..., np.newaxis]
        np.testing.assert_array_equal(read_pixels(FILES[name], 1), expected)
        np.testing.assert_array_equal(decode(tf.constant(FILES[name]), 1), expected)
    np.testing.assert_array_equal(decode(tf.constant(FILES["bmp"]), 1), grey)
    for name in ("png rgba", "webp rgba"):
        expected = np.asarray(transparent("RGB"))[..., 3]
        np.testing.assert_array_equal(decode(tf.constant(FILES[name]), 4)[..., 3], expected)


def test_in_threads_and_in_order():
    contents = [FILES["gif"], FILES["webp"], FILES["png"], FILES["jpeg"]] * 20
    dataset = tf.data.Dataset.from_tensor_slices(tf.constant(contents))
    dataset = dataset.map(decode, num_parallel_calls=4, deterministic=True)
    for content, image in zip(contents, dataset.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(image, read_pixels(content))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("name", ["png", "jpeg", "jpeg cmyk", "bmp", "gif", "webp", "tiff"])
def test_what_is_damaged_is_refused(name):
    content = FILES[name][: len(FILES[name]) // 2]
    with pytest.raises(ValueError):
        read_pixels(content)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        decode(tf.constant(content))


def test_what_is_no_image_is_refused():
    # Pillow would start a program to read PostScript.
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    for content in (b"", b"text", postscript, file(Image.new("F", (2, 2)), "TIFF")):
        with pytest.raises(ValueError):
            read_pixels(content)
