"""Image files of all kinds, trained on and measured, against PIL and NumPy alone.

What is expected is made of the files by PIL, which decodes and resizes them, and by metrics that
are written down here as their papers have them: nothing of the program's is used for it.
"""

import dataclasses
import json
import os

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from PIL import Image

from gan.presets import PRESETS
from gan.run import Run
from harness.datasets import load_images
from tests.commands import Commands

pytestmark = pytest.mark.filterwarnings("ignore:Palette images")  # the expectation's

SIZE, FIXED = 32, 12  # pixels, of training images and of the feature network's
SHAPES = ((61, 40), (17, 50), (SIZE, SIZE))  # height and width, of which a network makes its own

_TURNED = Image.Exif()
_TURNED[0x0112] = 6  # to be turned by a quarter
_MOVES = {"save_all": True, "append_images": [Image.new("L", (9, 9))]}


def _transparent(image):
    image.putalpha(image.convert("L"))
    return image


def _deep(image):
    return Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 200)


# By a name, which is also the file's: what makes an image of that kind, and how it is written.
KINDS = {
    "rgb.png": (lambda image: image, {}),
    "palette.PNG": (lambda image: image.quantize(200), {}),
    "clear_palette.png": (lambda image: image.quantize(16), {"transparency": bytes(range(16))}),
    "rgba.png": (_transparent, {}),
    "la.png": (lambda image: _transparent(image.convert("L")), {}),
    "bits.png": (lambda image: image.convert("1"), {}),
    "sixteen.png": (_deep, {}),
    "baseline.jpg": (lambda image: image, {"quality": 80}),
    "progressive.JPEG": (lambda image: image, {"progressive": True}),
    "cmyk.jpg": (lambda image: image.convert("CMYK"), {}),
    "rotated.JPG": (lambda image: image, {"exif": _TURNED}),
    "palette.bmp": (lambda image: image.quantize(200), {}),
    "moving.GIF": (lambda image: image, _MOVES),
    "lossy.webp": (lambda image: image, {}),
    "deflated.tif": (lambda image: image, {"compression": "tiff_lzw"}),
}


def _blobs(random, height, width):
    """An image that is smooth, as photographs are."""
    few = Image.fromarray(random.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    return few.resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images in train/ and test/, in two classes each, one of which is a link, with a note."""
    root = tmp_path_factory.mktemp("kinds")
    random = np.random.default_rng(0)
    for split, copies in (("train", 3), ("test", 3)):
        linked, own = root / f"elsewhere/{split}", root / f"images/{split}/leaves"
        linked.mkdir(parents=True)
        own.mkdir(parents=True)
        for i, (name, (convert, options)) in enumerate(KINDS.items()):
            for copy in range(copies):
                image = convert(_blobs(random, *SHAPES[copy]))
                image.save((own if i % 2 else linked) / f"{copy}_{name}", **options)
        (own / "notes.txt").write_text("No image.")
        os.symlink(own / "0_palette.PNG", own / "again.png")  # Nothing counts twice.
        os.symlink(linked, own.parent / "stones")
    return root / "images"


def _pixels(path):
    """The pixels of a file, RGB in [0, 255], by PIL."""
    with Image.open(path) as image:
        if image.mode == "I;16":  # `convert` clips what has 16 bits.
            return np.repeat((np.asarray(image) >> 8)[..., np.newaxis], 3, 2)
        return np.asarray(image.convert("RGB"))


def _resized(pixels, size):
    """By PIL in float32, which is antialiased and does not round."""
    channels = [Image.fromarray(np.float32(pixels[..., c])) for c in range(3)]
    return np.stack([np.asarray(each.resize((size, size), 2)) for each in channels], 2)


def _files(split):
    return [p for p in sorted(split.glob("*/*")) if p.name[0] in "012"]


@pytest.fixture(scope="module")
def network(folder):
    """A SavedModel of 6 features: means of the upper and of the lower half."""

    class Halves(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, FIXED, FIXED, 3])])
        def serve(self, images):
            halves = tf.reshape(images, [-1, 2, FIXED // 2, FIXED, 3])
            return {"features": tf.reshape(tf.reduce_mean(halves, [2, 3]), [-1, 6])}

    module = Halves()
    tf.saved_model.save(module, str(folder.parent / "net"), {"serving_default": module.serve})
    return folder.parent / "net"


def _features(images):
    """What the network makes of images (n, h, w, 3) of any sizes, in float64."""
    images = np.stack([_resized(image, FIXED) for image in images]).astype(np.float64)
    return images.reshape(-1, 2, FIXED // 2, FIXED, 3).mean((2, 3)).reshape(-1, 6)


def _frechet(a, b):
    product = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T))
    difference = a.mean(0) - b.mean(0)
    return difference @ difference + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * product.real)


def _kernel(a, b):
    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    within = [(kernel(x, x).sum() - kernel(x, x).trace()) / len(x) / (len(x) - 1) for x in (a, b)]
    return sum(within) - 2 * kernel(a, b).mean()


def _distances(a, b):
    return np.linalg.norm(a[:, np.newaxis] - b, axis=2)


def _radii(rows, k):
    return np.sort(_distances(rows, rows), 1)[:, k]


def _metrics(made, real):
    inside = _distances(made, real) <= _radii(real, 5)
    return {
        "frechet_distance": _frechet(made, real),
        "kernel_distance": _kernel(made, real),
        "precision": (_distances(made, real) <= _radii(real, 3)).any(1).mean(),
        "recall": (_distances(real, made) <= _radii(made, 3)).any(1).mean(),
        "density": inside.sum(1).mean() / 5,
        "coverage": inside.any(0).mean(),
    }


def _check_metrics(result, made, real):
    for name, value in _metrics(made, real).items():
        assert result[name] == pytest.approx(value, rel=1e-5), name


@pytest.fixture
def call(folder, monkeypatch):
    """Calls a program, which must not fail, and gives what it printed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
    commands = Commands(monkeypatch)

    def call(*arguments):
        said = commands(*map(str, arguments))
        assert (said.code, said.error) == (0, "")
        return said.out

    return call


def test_the_files_are_of_their_kinds(folder):
    found = set()
    for path in _files(folder / "train"):
        with Image.open(path) as image:
            found.add((image.format, image.mode))
    assert found == {
        *(("PNG", mode) for mode in ("RGB", "P", "RGBA", "LA", "1", "I;16")),
        *(("JPEG", mode) for mode in ("RGB", "CMYK")),
        *(("BMP", "P"), ("GIF", "P"), ("WEBP", "RGB"), ("TIFF", "RGB")),
    }
    with Image.open(folder / "train/stones/0_rotated.JPG") as image:
        assert image.getexif()[0x0112] == 6
    with Image.open(folder / "train/stones/1_progressive.JPEG") as image:
        assert image.info["progressive"]
    with Image.open(folder / "train/stones/2_moving.GIF") as image:
        assert image.n_frames == 2


def test_what_is_trained_on_is_what_pillow_reads(folder):
    images = load_images("folder", "train", folder, SIZE)
    files = _files(folder / "train")
    assert images.class_names == ("leaves", "stones") and len(images.images) == len(files)
    for path in files:
        expected = _resized(_pixels(path), SIZE)
        distances = abs(images.images - expected).max((1, 2, 3))
        assert distances.min() < 1e-3, path.name
        assert images.class_names[images.labels[distances.argmin()]] == path.parent.name


def test_images_of_all_sizes_are_measured(folder, network, call, tmp_path):
    sides = [f"--generated={folder}/train", f"--reference={folder}/test", f"--features={network}"]
    written = [f"--out={tmp_path}/out.json", f"--save_statistics={tmp_path}/test.npz"]
    out = call("gan.evaluate", *sides, *written)
    assert "images resized to 12x12 (bilinear, antialiased), in [0, 255]" in out
    made, real = (_features(map(_pixels, _files(folder / name))) for name in ("train", "test"))
    for split in ("train", "test"):
        counted = f"{len(real)} images; passed over: 1 *.txt, 1 links to what is listed."
        assert f"{folder}/{split}: {counted}\n" in out
    # An image that is a level off moves a mean by less than the distances are exact.
    with np.load(tmp_path / "test.npz") as statistics:
        np.testing.assert_allclose(statistics["mean"], real.mean(0), rtol=2e-6)
        np.testing.assert_allclose(statistics["covariance"], np.cov(real.T), rtol=1e-4, atol=1e-3)
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["generated_count"] == result["reference_count"] == len(real)
    _check_metrics(result, made, real)
    assert f"{_frechet(made, real):.4g}" in out and f"{_kernel(made, real):.4g}" in out


def test_a_gan_is_trained_and_measured(folder, network, call, tmp_path):
    config = dataclasses.replace(
        PRESETS["quickstart"],
        dataset="folder",
        data_dir=str(folder),
        features=str(network),
        norm="bn",
        generator_filters=8,
        discriminator_filters=8,
        batch_size=4,
        steps=2,
        eval_samples=60,
    )
    Run(config, tmp_path / "run").train()
    files = _files(folder / "test")
    call("gan.evaluate", f"--run_dir={tmp_path}/run", f"--features={network}")
    result = json.loads((tmp_path / "run/evaluation.json").read_text())
    training, test = (
        _features([_resized(_pixels(file), SIZE) for file in _files(folder / name)])
        for name in ("train", "test")
    )
    assert result["training_distance"] == pytest.approx(_frechet(training, test), rel=1e-5)

    count = f"--count={len(files)}"
    call("gan.sample", f"--run_dir={tmp_path}/run", "--what=images", f"--out={tmp_path}", count)
    sides = [f"--generated={tmp_path}/images", f"--reference={folder}/test"]
    call("gan.evaluate", *sides, f"--features={network}", f"--out={tmp_path}/out.json")
    samples = sorted((tmp_path / "images").iterdir())
    made, real = (_features(map(_pixels, each)) for each in (samples, files))
    _check_metrics(json.loads((tmp_path / "out.json").read_text()), made, real)
