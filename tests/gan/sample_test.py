"""`gan.sample`: each picture holds what it says, of a run and of a SavedModel."""

import dataclasses
import json
import os

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from gan import drawing, presets, sample
from gan.drawing import Sampler, _search
from gan.latents import latents
from gan.metrics.features import FeatureNetwork
from gan.metrics.sources import Source
from gan.saved import Generator
from harness.errors import UserError
from harness.figures.pictures import image_grid, read_png, write_png

SIZE, CLASSES = 8, 10


class _Generator(tf.Module):
    """Images that are the beginning of the latent; the first row is of the label, if any."""

    def __call__(self, latent, labels=None):
        images = tf.tanh(latent[:, : SIZE**2])
        if labels is not None:
            value = 2 * tf.cast(labels, tf.float32)[:, tf.newaxis] / (CLASSES - 1) - 1
            images = tf.concat([tf.tile(value, [1, SIZE]), images[:, SIZE:]], 1)
        return {"images": tf.reshape(images, [-1, SIZE, SIZE, 1])}


def _save(path, labelled):
    generator = _Generator()
    signature = [tf.TensorSpec([None, 128], name="latent")]
    signature += [tf.TensorSpec([None], tf.int32, name="labels")] * labelled
    generator.serve = tf.function(generator.__call__, input_signature=signature)
    tf.saved_model.save(generator, str(path), {"serving_default": generator.serve})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, with classes, and a SavedModel without."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "run").mkdir()
    config = dataclasses.replace(
        presets.PRESETS["quickstart"], image_size=SIZE, conditional="projection", seed=3
    )
    (folder / "run/config.json").write_text(json.dumps(dataclasses.asdict(config)))
    _save(folder / "run/generator", labelled=True)
    _save(folder / "alone", labelled=False)
    return folder


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, made):
    """Runs the program with flags, K being the folder of what was made; gives what it printed."""

    def run(*arguments):
        monkeypatch.setattr(flags, "FLAGS", flags.FlagValues())
        sample.define_flags()
        words = [word.replace("=K/", f"={made}/") for word in arguments]
        flags.FLAGS(["sample", f"--out={tmp_path}", *words])
        sample.main()
        return capsys.readouterr().out

    return run


def _images(seed, count, labels=None):
    inputs = latents(seed, "fixed", 0, count, 128)
    return _Generator()(inputs, None if labels is None else tf.constant(labels))["images"].numpy()


def test_a_grid_and_a_file_for_each_sample(run, tmp_path):
    out = run("--run_dir=K/run", "--what=grid,images", "--count=12")
    assert out == f"Wrote {tmp_path}/grid.png, 12 samples.\nWrote {tmp_path}/images, 12 samples.\n"
    images = _images(3, 12, [*range(10), 0, 1])  # the run's seed, and all classes in turn
    np.testing.assert_array_equal(read_png(tmp_path / "grid.png"), image_grid(images))
    files = sorted((tmp_path / "images").iterdir())
    assert [file.name for file in files] == [f"{i:05d}.png" for i in range(12)]
    for file, image in zip(files, images, strict=True):
        np.testing.assert_array_equal(read_png(file), image_grid(image[None], gap=0))


def test_files_of_samples_are_of_one_call(run, tmp_path, monkeypatch):
    def contents():
        return {file.name: file.read_bytes() for file in (tmp_path / "images").iterdir()}

    asked = ["--generator=K/alone", "--what=images"]
    run(*asked, "--count=3")
    first = contents()
    with pytest.raises(UserError, match="images must be new, or .* which has 00002.png$"):
        run(*asked, "--count=2")
    with monkeypatch.context() as patch:
        patch.setattr(drawing.pictures, "write_png", lambda path, _: 1 / (path.stem != "00002"))
        with pytest.raises(ZeroDivisionError):
            run(*asked, "--count=4", "--seed=1")
    assert contents() == first
    run(*asked, "--count=4", "--seed=1")
    assert len(contents()) == 4 and contents()["00002.png"] != first["00002.png"]


def test_some_classes(run, tmp_path):
    run("--run_dir=K/run", "--classes=7,2", "--count=3", "--seed=5")
    expected = image_grid(_images(5, 3, [7, 2, 7]))
    np.testing.assert_array_equal(read_png(tmp_path / "grid.png"), expected)
    run("--generator=K/run/generator", "--classes=4", "--count=2", "--num_classes=10")
    expected = image_grid(_images(0, 2, [4, 4]))
    np.testing.assert_array_equal(read_png(tmp_path / "grid.png"), expected)


@pytest.mark.parametrize("generator", ["--run_dir=K/run", "--generator=K/alone"])
def test_interpolations_go_from_one_sample_to_another(run, tmp_path, generator):
    run(generator, "--what=interpolations", "--rows=3", "--columns=5")
    grid = read_png(tmp_path / "interpolations.png").numpy()
    seed, labels = (3, [0, 0, 1, 1, 2, 2]) if "run" in generator else (0, None)
    ends = image_grid(_images(seed, 6, labels), 2)
    cells = grid[:-2, :-2].reshape(3, SIZE + 2, 5, SIZE + 2)
    expected = ends[:-2, :-2].reshape(3, SIZE + 2, 2, SIZE + 2)
    np.testing.assert_allclose(cells[:, :, [0, -1]].astype(int), expected.astype(int), atol=1)
    # Halfway a latent is as long as the ends, where a straight line is shorter by sqrt(2).
    first, last = latents(seed, "fixed", 0, 6, 128).numpy()[:2]
    middle = np.arctanh(np.clip(cells[0, 4:, 2, 2:] / 127.5 - 1, -0.99, 0.99)).ravel()
    straight = ((first + last) / 2)[2 * SIZE : SIZE**2]
    assert 1.2 < np.std(middle) / np.std(straight) < 1.6


def test_the_nearest_training_images(run, tmp_path):
    samples = _images(0, 4)
    training = np.rint((samples[[2, 0, 3]] + 1) * 127.5).astype(np.uint8)
    np.savez(tmp_path / "training.npz", images=training)
    out = run(
        *("--generator=K/alone", "--what=nearest", f"--training={tmp_path}/training.npz"),
        *("--features=digits", "--rows=4", "--columns=3"),
    )
    assert "the nearest of 3 images of training by digits features" in out
    grid = read_png(tmp_path / "nearest.png").numpy()[:-2, :-2].astype(int)
    cells = grid.reshape(4, SIZE + 2, 3, SIZE + 2)
    for i in (0, 2, 3):  # what a sample is nearest to is itself
        np.testing.assert_allclose(cells[i, :, 0], cells[i, :, 1], atol=1)
    assert np.abs(cells[1, :, 0] - cells[1, :, 1]).max() > 20
    run("--run_dir=K/run", "--what=nearest", "--rows=2")  # of the run's own images


def test_the_nearest_of_images_of_several_sizes(run, tmp_path):
    samples = np.rint((_images(0, 2) + 1) * 127.5).astype(np.uint8)
    (tmp_path / "training").mkdir()
    for i, size in enumerate((2 * SIZE, 3 * SIZE)):
        larger = tf.image.resize(samples[i], [size, size], method="nearest")
        write_png(tmp_path / f"training/{i}.png", larger)
    network = ["--features=digits", "--feature_size=9"]
    told = ["--generator=K/alone", f"--training={tmp_path}/training", *network]
    run(*told, "--what=nearest", "--rows=2", "--columns=2")
    grid = read_png(tmp_path / "nearest.png").numpy()[:-2, :-2].astype(int)
    cells = grid.reshape(2, SIZE + 2, 2, SIZE + 2)
    for i in range(2):  # nearest to a sample is what it was made larger to
        own, other = (np.abs(cells[i, :, 0] - cells[j, :, 1]).mean() for j in (i, 1 - i))
        assert own < 0.5 * other
    (tmp_path / "training/0.png").write_bytes(b"damaged")
    with pytest.raises(UserError, match="training.*0.png must be a whole PNG"):
        run(*told, "--what=nearest", "--rows=2", "--columns=2")


def test_images_are_of_the_samples_size_where_the_network_brings_them_to_none():
    samples = _images(0, 2)
    larger = [tf.image.resize(samples[1:], [size, size], method="nearest") for size in (8, 24)]
    training = [(image.numpy() + 1) * 127.5 for image in larger]
    source = Source("training", None, 2, None, any_size=lambda count: iter(training))
    pixels = FeatureNetwork("pixels", "0", lambda x: (tf.reshape(x, [len(x), -1]), None))
    (_, own) = _search(samples, source, pixels, 2)
    assert [image.shape[0] for image in own] == [8, 24]


def test_labels_that_a_generator_has_not_are_a_line():
    generator = Generator(lambda latent, labels: tf.gather(tf.eye(3), labels), 4, True, None)
    sampler = Sampler(generator, 0, (0, 3))
    with pytest.raises(UserError, match="samples cannot be drawn: .* = 3 is not in \\[0, 3\\)$"):
        sampler(sampler.latents(2))


def test_no_other_file_is_replaced(run, tmp_path):
    nearest = ["--generator=K/alone", "--what=nearest"]
    (tmp_path / "nearest.png").write_text("an image of the training set")
    os.mkfifo(tmp_path / "grid.png")
    (tmp_path / "images").mkdir()
    cases = {
        "nearest.png, which is of --training=": [*nearest, f"--training={tmp_path}"],
        "grid.png, which is a FIFO$": ["--run_dir=K/run"],
        "images, which is of --training=": [
            *(*nearest[:1], "--what=images,nearest", f"--training={tmp_path}/images")
        ],
    }
    for message, arguments in cases.items():
        with pytest.raises(UserError, match=message):
            run(*arguments)
    assert len(list(tmp_path.iterdir())) == 3


MISTAKES = {
    "Give --run_dir, .* or --generator": [],
    "Give --run_dir": ["--run_dir=K/run", "--generator=K/alone"],
    "--classes must be below 10, the number of .* Received: classes=10": [
        "--run_dir=K/run",
        "--classes=1,10",
    ],
    "takes no labels. Received: classes=": ["--generator=K/alone", "--classes=1"],
    "--num_classes is for .*alone, which takes none": ["--generator=K/alone", "--num_classes=3"],
    "nearest needs the images to search: give --training": [
        "--generator=K/alone",
        "--what=nearest",
    ],
    "--training must be images": [
        *("--generator=K/alone", "--what=nearest", "--training=K/alone", "--features=digits"),
    ],
    "There is no run in .*nowhere": ["--run_dir=K/nowhere"],
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_users_mistake(run, message):
    with pytest.raises(UserError, match=message):
        run(*MISTAKES[message])
