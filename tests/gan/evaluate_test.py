"""`gan.evaluate` on every kind of images, and with a user's mistakes."""

import dataclasses
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from gan import evaluate, parts, presets, sides
from gan.config import Config
from gan.metrics.features import _SHIPPED, load_features
from gan.metrics.frechet import frechet_distance_of_features, moments
from gan.saved import Generator
from harness.datasets import load_images
from harness.errors import UserError

SIZE = 8


class _Generator(tf.Module):
    """Images of noise; of the label where there are classes."""

    def __init__(self, classes=None, size=SIZE, checked=False):
        super().__init__()
        self._classes = classes
        self._checked = checked
        self._size = size
        self.scale = tf.Variable(0.5)  # lost unless something keeps it alive

    def __call__(self, latent, labels=None):
        images = tf.tanh(self.scale * latent[:, : self._size**2])
        if labels is not None:
            if self._checked:
                tf.debugging.assert_less(labels, self._classes)
            value = 2 * tf.cast(labels, tf.float32) / (self._classes - 1) - 1
            images = value[:, tf.newaxis] * tf.ones_like(images)
        return {"images": tf.reshape(images, [-1, self._size, self._size, 1])}


def _save_generator(path, classes=None, size=SIZE, checked=False):
    generator = _Generator(classes, size, checked)
    signature = [tf.TensorSpec([None, 128], name="latent")]
    if classes is not None:
        signature.append(tf.TensorSpec([None], tf.int32, name="labels"))
    generator.serve = tf.function(generator.__call__, input_signature=signature)
    tf.saved_model.save(generator, str(path), {"serving_default": generator.serve})


def _save_run(path, **changes):
    config = dataclasses.replace(
        presets.PRESETS["quickstart"], image_size=SIZE, eval_samples=60, seed=3, **changes
    )
    path.mkdir()
    (path / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    return path


def _save_folder(path, images):
    path.mkdir()
    for i, image in enumerate(images):
        (path / f"{i:04d}.png").write_bytes(tf.io.encode_png(image).numpy())


@pytest.fixture(scope="module")
def digits():
    return np.rint(load_images("digits", "test", image_size=SIZE).images).astype(np.uint8)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory, digits):
    """What may stand on either side, by its kind: 60 images of 8x8 pixels, or their statistics."""
    folder = tmp_path_factory.mktemp("kinds")
    _save_generator(_save_run(folder / "run") / "generator")
    _save_generator(folder / "saved")
    _save_folder(folder / "folder", digits[:60])
    np.savez(folder / "images.npz", images=digits[:60])
    mean, covariance = moments(load_features("digits")(digits[:60])[0])
    np.savez(folder / "statistics.npz", mu=mean, sigma=covariance)
    return folder


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs the program with flags, and gives what it printed and what it wrote."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments, out=tmp_path / "out.json"):
        monkeypatch.setattr(flags, "FLAGS", flags.FlagValues())
        evaluate.define_flags()
        flags.FLAGS(["evaluate", *map(str, arguments)])
        evaluate.main()
        return capsys.readouterr().out, json.loads(out.read_text())

    return run


def test_stored_order_does_not_count(run, tmp_path, digits):
    labels = load_images("digits", "test").labels
    np.savez(tmp_path / "sorted.npz", images=digits[np.argsort(labels, kind="stable")])
    scores, distances = [], []
    for generated in (f"{tmp_path}/sorted.npz", "digits:test"):
        flags_ = ["--reference=digits:test", "--image_size=8", "--features=digits"]
        sides = [f"--generated={generated}", *flags_, f"--out={tmp_path}/out.json"]
        cheap = "--metrics=inception_score,frechet_distance"
        scores.append(run(*sides, cheap)[1]["inception_score"])
        out, result = run(*sides, cheap, "--eval_samples=100")
        distances.append(result["frechet_distance"])
        assert f"{result['generated']}: 100 of 360 images, seed 0.\n" in out
    # Of sorted images every split would be of one class, and the first of two or three.
    assert scores[0] == pytest.approx(scores[1], rel=0.1)
    assert distances[0] < 0.2 * _distance_of_the_first(digits[np.argsort(labels)], digits)


def _distance_of_the_first(ordered, digits):
    network = load_features("digits")
    return frechet_distance_of_features(network(ordered[:100])[0], network(digits)[0])


def test_a_run_against_its_test_split(run, kinds):
    out, result = run(f"--run_dir={kinds}/run", out=kinds / "run/evaluation.json")
    assert out.startswith("digits test: 60 of 360 images, seed 3.\n")
    assert "\ngenerated: run, 60 images\nreference: digits test, 60 images\n" in out
    assert "\ndigits train: 60 of 1,437 images, seed 3.\n" in out
    assert (result["generated_available"], result["reference_available"]) == (None, 360)
    assert "For comparison, 60 images of digits train in place of generated ones: " in out
    network = load_features("digits")
    assert result["frechet_distance"] > 10 * result["training_distance"] > 0
    assert result["recall"] == 0 <= result["precision"] <= 1
    assert 1 <= result["inception_score"] < 10
    assert result["seed"] == 3
    assert result["step"] == json.loads((kinds / "run/config.json").read_text())["steps"]
    assert (result["features"], result["features_fingerprint"]) == ("digits", network.fingerprint)
    assert {"tfnorm", "tensorflow", "keras", "numpy", "python"} == result["versions"].keys()
    assert result["versions"]["tensorflow"] == tf.__version__
    # What a run says of itself while it trains is the same.
    again, cheap = run(
        f"--run_dir={kinds}/run",
        "--metrics=inception_score,frechet_distance",
        out=kinds / "run/evaluation.json",
    )
    assert cheap["frechet_distance"] == pytest.approx(result["frechet_distance"], rel=1e-6)
    assert "precision" not in again and "generated_rows" not in cheap


def test_a_run_that_streams_is_compared_with_the_same_images(run, kinds, tmp_path, digits):
    for split, images in {"train": digits[:20], "test": digits[20:40]}.items():
        (tmp_path / "data" / split).mkdir(parents=True)
        _save_folder(tmp_path / "data" / split / "more", images)
    told = {}
    for stream in (False, True):
        images = {"dataset": "folder", "data_dir": str(tmp_path / "data"), "stream": stream}
        made = _save_run(tmp_path / str(stream), score_samples=16, **images)
        shutil.copytree(kinds / "saved", made / "generator")
        asked = ["--eval_samples=10", "--metrics=frechet_distance,inception_score"]
        out, told[stream] = run(f"--run_dir={made}", *asked, out=made / "evaluation.json")
        assert out.count("folder test: 10 of 20 images, seed 3.\n") == 1
    assert told[True] | {"generated": "False"} == told[False]
    assert (told[True]["reference_available"], told[True]["reference_count"]) == (20, 10)


def test_training_images_are_not_compared_with_themselves(run, kinds):
    flags_ = [f"--run_dir={kinds}/run", "--test_split=train", "--metrics=frechet_distance"]
    out, result = run(*flags_, out=kinds / "run/evaluation.json")
    assert "Measured against the 1,437 training images of digits: --test_split=train." in out
    assert "For comparison" not in out and result["training_distance"] is None


@pytest.mark.parametrize(
    "spec", ["run", "saved", "folder", "images.npz", "statistics.npz", "digits:test"]
)
def test_every_kind_on_either_side(run, kinds, tmp_path, spec):
    path = spec if ":" in spec else kinds / spec
    shared = ["--features=digits", "--image_size=8", "--eval_samples=60"]
    shared.append(f"--out={tmp_path / 'out.json'}")
    out, result = run(f"--generated={path}", f"--reference={kinds}/images.npz", *shared)
    _, turned = run(f"--generated={kinds}/images.npz", f"--reference={path}", *shared)
    name = spec.removesuffix(".npz").replace(":", " ")
    assert result["generated"] == turned["reference"] == name
    assert f"generated: {name}, " in out
    assert result["frechet_distance"] == pytest.approx(turned["frechet_distance"], abs=1e-6)
    if spec == "statistics.npz":
        assert result["generated_count"] is None
        assert result["precision"] is result["kernel_distance"] is result["inception_score"] is None
        assert turned["inception_score"] > 3
        assert "none  (of statistics there are no features" in out
    else:
        assert result["generated_count"] == result["reference_rows"] == 60
        assert result["precision"] == turned["recall"]
    if spec in ("folder", "images.npz", "statistics.npz"):  # the same images
        assert result["frechet_distance"] == pytest.approx(0, abs=1e-6)
    if spec in ("folder", "images.npz"):
        assert result["precision"] == result["recall"] == 1
        assert result["kernel_distance_deviation"] is None


def test_a_class_of_each_image(run, kinds, tmp_path):
    """Labels are drawn by the seed, from as many classes as the run's dataset has."""
    directory = _save_run(tmp_path / "labelled", conditional="projection")
    _save_generator(directory / "generator", classes=10)
    shared = [f"--reference={kinds}/images.npz", "--features=digits", "--eval_samples=300"]
    shared += [f"--out={tmp_path / 'out.json'}", "--metrics=frechet_distance,inception_score"]
    _, of_run = run(f"--generated={directory}", *shared)
    _, of_model = run(f"--generated={directory}/generator", *shared)
    assert of_run["frechet_distance"] == of_model["frechet_distance"]
    _save_generator(tmp_path / "alone", classes=10)
    _, alone = run(f"--generated={tmp_path}/alone", "--num_classes=10", *shared)
    assert alone["frechet_distance"] == of_run["frechet_distance"]
    _, two = run(f"--generated={tmp_path}/alone", "--num_classes=2", *shared)
    assert two["frechet_distance"] != of_run["frechet_distance"]
    with pytest.raises(UserError, match="alone takes labels: give --num_classes"):
        run(f"--generated={tmp_path}/alone", *shared)
    # A run knows it.
    run(f"--run_dir={directory}", "--num_classes=10", shared[-1], out=directory / "evaluation.json")
    for given in ([f"--run_dir={directory}"], [f"--generated={directory}", shared[0]]):
        with pytest.raises(UserError, match="that of the run, .* num_classes=2, and .* 10 classes"):
            run(*given, "--num_classes=2", "--metrics=frechet_distance")


def test_labels_that_a_generator_does_not_take(run, kinds, tmp_path):
    _save_generator(tmp_path / "alone", classes=10, checked=True)
    shared = [f"--reference={kinds}/images.npz", "--features=digits", "--eval_samples=300"]
    with pytest.raises(UserError, match="as many as the generator in .*alone has: .* up to 1[0-9]"):
        run(f"--generated={tmp_path}/alone", "--num_classes=20", *shared)


def test_a_run_tells_its_classes_wherever_the_other_images_are(tmp_path):
    for name in ("run/a", "run/b", "run/c", "others/a", "others/b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        _save_folder(tmp_path / "data" / name / "more", np.zeros([1, 8, 8, 3], np.uint8))
    images = {"dataset": "folder", "data_dir": str(tmp_path / "data/run")}
    generator = _save_run(tmp_path / "labelled", conditional="projection", **images) / "generator"
    opening = sides.Opening(str(tmp_path / "data/others"), None, None, seed=0)

    def number():
        return sides.number_of_classes(Generator(None, 128, True, None), generator, opening)

    assert number() == 3
    shutil.rmtree(tmp_path / "data/run")
    with pytest.raises(UserError, match="labelled/generator takes labels, .* give --num_classes"):
        number()
    (tmp_path / "labelled/data.json").write_text('{"num_classes": "3"}')
    assert number() == 3


def test_labels_as_often_as_in_the_data(run, tmp_path, monkeypatch):
    """Where all training images are of one class, so are all samples."""
    directory = _save_run(tmp_path / "labelled", conditional="projection")
    _save_generator(directory / "generator", classes=10)
    images = parts.images

    def of_one_class(config, split):
        there = images(config, split)
        return dataclasses.replace(there, labels=np.full_like(there.labels, 4))

    monkeypatch.setattr(parts, "images", of_one_class)
    asked = [f"--run_dir={directory}", "--metrics=frechet_distance,inception_score"]
    out = directory / "evaluation.json"
    _, all_classes = run(*asked, "--score_samples=30", out=out)
    assert all_classes["inception_score"] > 1.5 and all_classes["score_count"] == 30
    _, one = run(*asked, "--sample_labels=data", out=out)
    assert one["inception_score"] == pytest.approx(1, abs=1e-4)
    assert max(one["class_shares"]) == 1
    # As a side a run has the classes that it was measured with.
    shares = {"conditional": "projection", "sample_labels": "data"}
    shutil.copytree(directory / "generator", _save_run(tmp_path / "so", **shares) / "generator")
    side = ["--reference=digits:test", "--image_size=8", f"--out={out}"]
    _, same = run(f"--generated={tmp_path}/so", *side, "--features=digits", asked[1], out=out)
    assert same["inception_score"] == pytest.approx(1, abs=1e-4)


def test_classes_are_those_of_the_images_trained_on(run, tmp_path):
    """Beside other images, of two classes, as well."""
    for split in ("train", "test"):
        for name in "ab":
            folder = tmp_path / "others" / split / name
            folder.parent.mkdir(parents=True, exist_ok=True)
            _save_folder(folder, np.zeros([40, 8, 8, 1], np.uint8))
    shares = {"conditional": "projection", "sample_labels": "data"}
    directory = _save_run(tmp_path / "labelled", **shares)
    _save_generator(directory / "generator", classes=10)
    out = directory / "evaluation.json"
    asked = [f"--run_dir={directory}", "--metrics=inception_score", "--features=digits"]
    _, there = run(*asked, out=out)
    other = ["--dataset=folder", f"--data_dir={tmp_path}/others"]
    _, beside = run(*asked, *other, out=out)
    assert beside["class_shares"] == there["class_shares"]


def test_images_without_classes_have_no_shares(run, kinds):
    images = dataclasses.replace(load_images("digits", "train"), num_classes=None)
    assert parts.label_shares(Config(sample_labels="data"), images) is None
    with pytest.raises(UserError, match="for a generator that takes labels. .*=none$"):
        run(f"--run_dir={kinds}/run", "--sample_labels=data")


def test_images_are_resized_on_both_sides(run, kinds, tmp_path, digits):
    large = tf.image.resize(digits[:60], [20, 20]).numpy().astype(np.uint8)
    _save_folder(tmp_path / "large", large)
    shared = ["--features=digits", f"--out={tmp_path / 'out.json'}", "--metrics=frechet_distance"]
    pair = [f"--generated={tmp_path}/large", f"--reference={kinds}/images.npz"]
    with pytest.raises(UserError, match="--image_size. Received: large 20x20, images 8x8"):
        run(*pair, *shared)
    _, small = run(*pair, "--image_size=8", *shared)
    _, same = run(*pair, "--image_size=20", *shared)
    assert same["frechet_distance"] < small["frechet_distance"]
    run(f"--generated={kinds}/saved", *pair[1:], "--image_size=9", "--eval_samples=20", *shared)


def test_two_files_of_statistics_need_no_network(run, kinds, tmp_path):
    file = kinds / "statistics.npz"
    out, result = run(f"--generated={file}", f"--reference={file}", f"--out={tmp_path}/out.json")
    assert result["frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert result["features"] is None and "features: as in the files" in out


def test_a_file_of_images_and_statistics_of_others(run, kinds, tmp_path, digits):
    mean, covariance = moments(load_features("digits")(digits)[0])
    np.savez(tmp_path / "both.npz", arr_0=digits[:60], mu=mean, sigma=covariance)
    pair = [f"--generated={kinds}/images.npz", f"--reference={tmp_path}/both.npz"]
    pair += ["--features=digits", f"--out={tmp_path}/out.json"]
    out, result = run(*pair)
    assert "reference: both (its statistics), statistics\n" in out
    assert "Warning: 60 images of images are fewer than the 64 features" in out
    assert result["frechet_distance"] > 0.1 and result["precision"] is None
    out, result = run(*pair, "--npz=images")
    assert "reference: both (its images), 60 images\n" in out
    assert result["frechet_distance"] == pytest.approx(0, abs=1e-6) and result["precision"] == 1


def test_statistics_are_written_and_are_a_side(run, kinds, tmp_path):
    shared = ["--features=digits", f"--out={tmp_path}/out.json", "--metrics=frechet_distance"]
    pair = {"generated": "saved", "reference": "images.npz"}
    asked = ["--eval_samples=60", *shared]
    saves = f"--save_statistics={tmp_path}/of_both.npz"
    out, of_images = run(
        *(f"--{side}={kinds}/{spec}" for side, spec in pair.items()), saves, *asked
    )
    assert "of_both.npz, statistics of 60 images of images.\n" in out
    for side, spec in pair.items():
        saved = f"--save_statistics={tmp_path}/{side}.npz"
        out, _ = run(f"--{side}={kinds}/{spec}", saved, *asked[:2])
        assert "Warning: 60 images of " in out and "are fewer than the 64 features" in out
    for made, real in (("saved", "of_both"), ("generated", "of_both"), ("generated", "reference")):
        how = asked if made == "saved" else shared[1:]  # of two statistics nothing else is asked
        made = kinds / made if made == "saved" else tmp_path / f"{made}.npz"
        out, result = run(f"--generated={made}", f"--reference={tmp_path}/{real}.npz", *how)
        assert result["frechet_distance"] == pytest.approx(of_images["frechet_distance"], rel=1e-6)
        assert (result["reference"], result["reference_count"]) == (real, 60)
    # They know of which network they are.
    others = ["--features=digits", "--feature_size=20"]
    with pytest.raises(UserError, match="statistics of_both must be of the features by digits, of"):
        run(f"--generated={kinds}/saved", f"--reference={tmp_path}/of_both.npz", *others)
    run(f"--generated={kinds}/saved", f"--save_statistics={tmp_path}/other.npz", *others)
    files = [f"--generated={tmp_path}/generated.npz", f"--reference={tmp_path}/of_both.npz"]
    idle = {
        "--features=digits": "images on a side",
        "--feature_size=9": "images on a side",
        "--eval_samples=9": "images on a side",
        f"--data_dir={tmp_path}": "a split of a dataset on a side",
        "--npz=images": "an .npz file that has images and statistics",
    }
    for flag, needed in idle.items():
        with pytest.raises(UserError, match=f"{flag.partition('=')[0]} must come with {needed}"):
            run(*files, flag)
    with pytest.raises(UserError, match="--data_dir must come with a split"):
        run(f"--generated={kinds}/saved", files[1], f"--data_dir={tmp_path}")
    with pytest.raises(UserError, match="must be statistics of the features by one network"):
        run(f"--generated={tmp_path}/other.npz", f"--reference={tmp_path}/of_both.npz")
    with pytest.raises(UserError, match="is a file of statistics already"):
        run(f"--generated={tmp_path}/other.npz", saves)


def test_the_seed_chooses_what_statistics_are_of(run, tmp_path, digits):
    np.savez(tmp_path / "all.npz", images=digits)
    (tmp_path / "out.json").write_text("{}")
    asked = [f"--reference={tmp_path}/all.npz", "--features=digits", "--eval_samples=100"]
    out, _ = run(*asked, f"--save_statistics={tmp_path}/saved.npz", "--seed=7")
    assert "all: 100 of 360 images, seed 7.\n" in out
    rows = np.random.default_rng(7).permutation(360)[:100]
    mean, _ = moments(load_features("digits")(digits[rows])[0])
    np.testing.assert_allclose(np.load(tmp_path / "saved.npz")["mean"], mean, rtol=1e-5)


def test_a_feature_network_outside_the_run_needs_a_word(run, kinds, tmp_path):
    shutil.copytree(_SHIPPED, tmp_path / "others")
    made = _save_run(tmp_path / "run", features=str(tmp_path / "others"))
    shutil.copytree(kinds / "saved", made / "generator")
    with pytest.raises(UserError, match="names a feature network outside the run"):
        run(f"--run_dir={made}")
    assert not (made / "evaluation.json").exists()
    (made / "evaluation.json").symlink_to(tmp_path / "elsewhere.json")
    for flag, name in (("--trust_config", "others"), ("--features=digits", "digits")):
        _, result = run(f"--run_dir={made}", flag, out=made / "evaluation.json")
        assert result["features"] == name and (made / "evaluation.json").is_symlink()


def test_images_of_several_sizes_where_the_network_resizes(run, kinds, tmp_path, digits):
    _save_folder(tmp_path / "small", digits[:30])
    _save_folder(tmp_path / "mixed", digits[:30])
    for i in range(1, 30, 2):
        larger = tf.image.resize(digits[i], [24, 24], method="nearest")
        path = tmp_path / f"mixed/{i:04d}.png"
        path.write_bytes(tf.io.encode_png(larger).numpy())
    shared = [f"--reference={tmp_path}/small", f"--out={tmp_path}/out.json", "--features=digits"]
    with pytest.raises(UserError, match="of one size.*Received: (8|24)x.* of .*png, (8|24)x"):
        run(f"--generated={tmp_path}/mixed", *shared)
    mixed = [f"--generated={tmp_path}/mixed", "--feature_size=8", *shared]
    out, result = run(*mixed)  # A larger image of the same is nearly the same.
    assert "features: digits, images resized to 8x8 (bilinear, antialiased), in [0, 255]" in out
    assert result["frechet_distance"] < 3 and result["precision"] > 0.9
    _, other = run(f"--generated={kinds}/saved", *mixed[1:])
    assert other["frechet_distance"] > 20 * result["frechet_distance"]


def test_samples_and_rows(run, kinds, tmp_path):
    pair = [f"--generated={kinds}/saved", f"--reference={kinds}/folder", "--features=digits"]
    out = f"--out={tmp_path}/out.json"
    _, result = run(*pair, "--eval_samples=40", "--feature_rows=25", out)
    assert result["generated_count"] == result["reference_count"] == 40
    assert result["generated_rows"] == result["reference_rows"] == 25
    _, result = run(*pair, "--eval_samples=500", "--feature_rows=0", out)
    assert (result["generated_count"], result["reference_count"]) == (500, 60)
    assert result["precision"] is None
    assert result["precision_recall_reason"].startswith("of saved there are no features")
    _, other = run(*pair, "--eval_samples=500", "--feature_rows=0", "--seed=1", out)
    assert other["frechet_distance"] != result["frechet_distance"]


FEW = ["--metrics=frechet_distance", "--feature_rows=5"]
CLASSES = "--num_classes=3"
PART = "--generated=name:train[:5]"
MISTAKES = {
    "Give --run_dir, .* or both of": [],
    "or both of --generated and": ["--generated=K/folder"],
    "or both of --generated and --reference,": ["--run_dir=K/run", "--reference=K/folder"],
    "with these no --dataset": ["PAIR", "--dataset=digits"],
    "There is no run in .*nowhere": ["--run_dir=K/nowhere"],
    "There is no generator in .*unfinished": ["--run_dir=K/unfinished"],
    "--save_statistics must end in .npz": ["PAIR", "--save_statistics=K/file"],
    "--feature_rows must come with .*feature_rows=5, metrics=fr": ["PAIR", *FEW],
    "--num_classes is for .*Received: num_classes=3, and no generator": ["PAIR", "--num_classes=3"],
    "--num_classes is for .*saved, which takes none": ["--generated=K/saved", "REF", CLASSES],
    "--features must be .*'nowhere'": ["PAIR", "--features=nowhere"],
    "--generated: a split must be a whole .*Received: 'name:train\\[:5]'": [PART, "REF"],
    "--generated: a split must be a whole .*Received: ':'": ["--generated=:", "REF"],
    "--out must be a file .*which is a directory": ["PAIR", "--out=K/folder"],
    "--out must be a file .*text.txt/x: Not a directory": ["PAIR", "--out=K/text.txt/x"],
    "--generated: .*encrypted.npz is damaged.*encrypted": ["--generated=K/encrypted.npz", "REF"],
    "--generated: .*vast.npz is damaged.*Unable to allocate": ["--generated=K/vast.npz", "REF"],
    "--generated: The statistics in .*count=x$": ["--generated=K/counted.npz", "REF"],
    "--generated: .*negative.npz are of no images: .*zero. Received: -1$": [
        "--generated=K/negative.npz",
        "STATISTICS",
    ],
    "--generated must be one of .*nowhere', which does not exist": ["--generated=K/nowhere", "REF"],
    "--generated must be one of .*Received: .*text.txt'$": ["--generated=K/text.txt", "REF"],
    "--generated: .*empty is a folder without images": ["--generated=K/empty", "REF"],
    "0000.png must be a whole PNG, .*Received: 4 bytes of another kind": [
        "--generated=K/damaged",
        "REF",
    ],
    "0001.png must be a whole PNG, .*Received: image file is truncated": [
        "--generated=K/later",
        "REF",
    ],
    "images of one cannot be measured: A covariance .*count=1": ["--generated=K/one", "REF"],
    "--generated: .*damaged.npz is damaged": ["--generated=K/damaged.npz", "REF"],
    "statistics other .*Received: 3 features in place of 64": ["--generated=K/other.npz", "REF"],
    "cannot be compared: Both sets .*Received: 3 and 64": ["--generated=K/other.npz", "STATISTICS"],
    "no_generator is no generator .*its inputs are": ["--generated=K/no_generator", "REF"],
    "'digits' has the splits .*Received: split='all'": ["--generated=digits:all", "REF"],
    "'mnist' is read from a folder": ["--generated=mnist:test", "REF"],
}
SHORT = {
    "PAIR": ["--generated=K/folder", "--reference=K/folder", "--features=digits"],
    "REF": ["--reference=K/folder", "--features=digits"],
    "STATISTICS": ["--reference=K/statistics.npz"],
}


def _save_hostile(folder):
    """Files of numbers that NumPy and zipfile refuse by errors of many types."""
    np.savez(folder / "counted.npz", mu=np.zeros(3), sigma=np.eye(3), count="x")
    np.savez(folder / "negative.npz", mu=np.zeros(3), sigma=-np.eye(3))
    file = folder / "encrypted.npz"
    np.savez(file, images=np.zeros([2, 8, 8, 1], np.uint8))
    data = bytearray(file.read_bytes())
    data[6] |= 1  # the flag in the entry, and in the list of entries
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(data)
    header = io.BytesIO()
    fields = {"descr": "|u1", "fortran_order": False, "shape": (10**8, 1000, 1000, 3)}
    np.lib.format.write_array_header_1_0(header, fields)
    with zipfile.ZipFile(folder / "vast.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue())


@pytest.fixture(scope="module")
def mistaken(kinds, digits):
    _save_run(kinds / "unfinished")
    (kinds / "text.txt").write_text("text")
    (kinds / "damaged.npz").write_text("text")
    (kinds / "empty").mkdir()
    for name, count in {"damaged": 1, "later": 2, "one": 1}.items():
        _save_folder(kinds / name, digits[:count])
    (kinds / "damaged/0000.png").write_text("text")
    (kinds / "later/0001.png").write_bytes((kinds / "later/0000.png").read_bytes()[:80])
    _save_hostile(kinds)
    np.savez(kinds / "other.npz", mu=np.zeros(3), sigma=np.eye(3))
    module = tf.Module()
    module.serve = tf.function(
        lambda x: {"images": x}, input_signature=[tf.TensorSpec([None, 4], name="x")]
    )
    tf.saved_model.save(module, str(kinds / "no_generator"), {"serving_default": module.serve})
    return kinds


@pytest.mark.parametrize("message", MISTAKES)
def test_a_users_mistake(run, mistaken, message):
    arguments = [flag for word in MISTAKES[message] for flag in SHORT.get(word, [word])]
    with pytest.raises(UserError, match=message):
        run(*(flag.replace("=K/", f"={mistaken}/") for flag in arguments))


def test_what_the_configuration_of_a_run_names_is_not_replaced(run, tmp_path):
    images = tmp_path / "images.npz"
    np.savez(images, images=np.zeros([9, SIZE, SIZE, 1], np.uint8))
    (tmp_path / "link.json").symlink_to(images)
    before = images.read_bytes()
    made = _save_run(tmp_path / "run", dataset="array", data_dir=str(images))
    for flag, name in {"out": "link.json", "save_statistics": "images.npz"}.items():
        with pytest.raises(UserError, match=f"{flag}={images}, which is of --data_dir={images}"):
            run(f"--run_dir={made}", f"--{flag}={tmp_path / name}")
    assert images.read_bytes() == before and (tmp_path / "link.json").is_symlink()


def test_as_a_user_runs_it(call, kinds, tmp_path):
    arguments = [f"--reference={kinds}/images.npz", "--features=digits", "--eval_samples=20"]
    arguments.append(f"--out={tmp_path}/deep/out.json")
    code, out, error = call("gan.evaluate", f"--generated={kinds}/saved", *arguments)
    assert (code, error) == (0, "")
    assert "kernel_distance" in out
    result = json.loads((tmp_path / "deep/out.json").read_text())
    assert result["generated_count"] == 20 and str(kinds) not in json.dumps(result)
    code, out, error = call("gan.evaluate", f"--generated={kinds}/gone", *arguments)
    assert (code, out) == (1, "")
    (line,) = error.splitlines()
    assert line.startswith("error: ") and "does not exist" in line
