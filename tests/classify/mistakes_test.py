"""A user's mistake is one line on standard error, exit code 1, and nothing is written."""

import dataclasses
import json
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from classify.presets import PRESETS

# X is a directory that is not there, F the folder with what the mistakes need.
QUICK = ("--preset=quickstart", "--run_dir=X")
FOLDER = (*QUICK, "--dataset=folder", "--test_split=val")
RESNET = (*QUICK, "--model=resnet_cifar")
GN = (*QUICK, "--norm=gn", "--group_size=none")
MNIST = ("--preset=mnist_mlp_bn", "--run_dir=X")
PLAIN = ("--dataset=array", "--data_dir=F/plain.npy", "--test_split=train")
GIVEN = ("--dataset=folder", "--data_dir=F/animals", "--test_split=val")
LONG = "name" * 100
TRAIN = {
    (): "--preset is required: one of the ",
    ("--preset=best",): "that --help lists",
    ("--preset=quickstart",): "--run_dir is required",
    # Data.
    MNIST: "give the folder as --data_dir",
    (*MNIST, "--data_dir=/nowhere"): "/nowhere",
    (*MNIST, "--data_dir=F/empty"): "train-images-idx3-ubyte",
    (*MNIST, "--data_dir=F/cut"): "t10k-images-idx3-ubyte must hold the 12x28x28 values",
    (*QUICK, "--dataset=digit"): "'digit'",
    (*QUICK, "--test_split=val"): "Received: split='val'",
    (*QUICK, "--train_size=1438"): "at most the 1437 images of digits train. Received: train_size",
    (*QUICK, "--train_size=0"): "train_size=0",
    (*QUICK, "--image_size=0"): "image_size=0",
    (*FOLDER, "--data_dir=F/strangers"): "Received: wolf, which are not there",
    (*FOLDER, "--data_dir=F/animals", "--image_size=none"): "give the one to use as --image_size",
    (*QUICK, *PLAIN): "needs images with classes, as DIR/train/CLASS/IMAGE. Received: images",
    (*QUICK, *PLAIN, "--dry_run"): "needs images with classes, as DIR/train/CLASS/IMAGE",
    (*QUICK, "--input_scaling=imagenet"): "Received: images.shape=(8, 8, 1)",
    (*QUICK, "--input_scaling=std"): "must be one of symmetric, pixel_variance",
    (*QUICK, "--augmentation=crop"): "must be one of none, shift_flip, crop_flip",
    (*QUICK, "--augmentation=resized_crop_flip"): "Received: dataset='digits'",
    (*QUICK, "--augmentation=resized_crop_flip", "--image_size=none"): "needs --image_size",
    # Networks.
    (*RESNET, "--depth=21"): "Received: depth=21, bottleneck=False",
    (*RESNET, "--depth=26", "--variant=bottleneck"): "Received: depth=26, bottleneck=True",
    (*RESNET, "--depth=20", "--variant=arc_a"): "Received: variant='arc_a'",
    (*QUICK, "--model=resnet_imagenet", "--depth=34"): "Received: depth=34",
    (*QUICK, "--model=vgg", "--depth=19"): "at least 32 x 32 pixels",
    (*QUICK, "--model=vgg", "--depth=16", "--image_size=32"): "Received: depth=16",
    (*QUICK, "--width=0"): "width=0",
    # Normalizations.
    (*QUICK, "--norm=layer"): "must be one of none, bn",
    (*QUICK, "--group_size=0"): "group_size=0",
    (*QUICK, "--norm=gn", "--groups=4"): "not both. Received: groups=4, group_size=16",
    (*GN, "--groups=3"): "Received: groups=3, group_size=None, layer='norm_1', channels=64",
    (*QUICK, "--norm=gn", "--group_size=24"): "group_size=24",
    (*QUICK, "--norm=bn", "--groups=4"): "Received: groups=4, norm=bn",
    (*QUICK, "--norm=bn", "--epsilon=-1"): "epsilon=-1",
    (*QUICK, "--norm=bn", "--norm_momentum=2"): "momentum=2",
    # Training.
    (*QUICK, "--steps=0"): "steps=0",
    (*QUICK, "--steps=many"): "steps=many",
    (*QUICK, "--epochs=inf"): "Received: epochs=inf",
    (*QUICK, "--learning_rate=0"): "Received: learning_rate=0",
    (*QUICK, "--schedule=linear"): "must be one of steps, cosine, constant",
    (*QUICK, "--decay_at=60,120"): "Received: decay_at=60,120",
    (*QUICK, "--nesterov"): "Received: nesterov=True, sgd_momentum=0.0",
    (*QUICK, "--decayed=biases"): "must be one of kernels, all",
    (*QUICK, "--strategy=parallel"): "must be one of default, mirrored",
    # Directories.
    ("--preset=quickstart", "--run_dir=README.md"): "README.md",
    ("--preset=quickstart", "--run_dir=classify"): "not empty",
    (
        "--preset=quickstart",
        f"--run_dir=F/{LONG}",
    ): "--run_dir must be a name or a path, with 1 to 255",
    (*MNIST, f"--data_dir=F/{LONG}"): "--data_dir must be a name or a path, with 1 to 255",
    ("--preset=quickstart", "--run_dir=F/run", "--width=32"): "width: 64 there, 32 now",
}
EVALUATE = {
    (): "Give --run_dir, the directory of a run, or --saved_model, not both",
    ("--run_dir=F/run", "--saved_model=F/ten"): "not both",
    ("--saved_model=F/ten", "--which=best"): "--which chooses among the networks of a run",
    ("--run_dir=F/nowhere",): "There is no run in",
    ("--run_dir=F/other",): "is not the directory of a run of classify.train",
    ("--run_dir=F/run",): "The run is not complete",
    ("--run_dir=F/run", "--which=folded"): "without --fold",
    ("--run_dir=F/run", "--which=best"): "best.keras cannot be read",
    ("--run_dir=F/run", "--which=worst"): "must be one of last, folded, best",
    (f"--saved_model=F/{LONG}", "--dataset=digits"): "--saved_model must be a name or a path",
    ("--saved_model=F/animals",): "must be a SavedModel of serving_default(images) -> logits",
    ("--saved_model=F/ten", *GIVEN, "--image_size=4"): "Received: 10 and 3",
    ("--saved_model=F/ten", *GIVEN, "--image_size=5"): "Received: images of shape (5, 5, 3)",
    ("--saved_model=F/ten", *PLAIN): "needs images with classes, as DIR/train/CLASS/IMAGE",
    ("--saved_model=F/ten", *GIVEN): "--image_size",
    ("--saved_model=F/ten", "--dataset=digits", "--resized_crop"): "needs --image_size",
}


def write_pictures(folder, splits):
    """A folder of a picture of each class."""
    for split, classes in splits.items():
        for name in classes:
            path = folder / split / name / "1.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)


def write_mnist(folder, train, test):
    """MNIST's four files, the last image of the test split cut off."""
    folder.mkdir()
    for split, count in (("train", train), ("t10k", test)):
        values = bytes(28 * 28 * count - (split == "t10k"))
        images = struct.pack(">BBBBIII", 0, 0, 8, 3, count, 28, 28) + values
        (folder / f"{split}-images-idx3-ubyte").write_bytes(images)
        labels = struct.pack(">BBBBI", 0, 0, 8, 1, count) + bytes(count)
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(labels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "empty").mkdir()
    write_mnist(folder / "cut", 20, 12)
    np.save(folder / "plain.npy", np.zeros([20, 4, 4, 3], np.uint8))
    animals = ("cat", "dog", "emu")
    write_pictures(folder / "animals", {"train": animals, "val": animals})
    write_pictures(folder / "strangers", {"train": animals, "val": (*animals, "wolf")})
    for name, config in {
        "run": dataclasses.asdict(PRESETS["quickstart"]),
        "other": {"dataset": "digits", "generator_filters": 8},
    }.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
    (folder / "run" / "best.keras").write_text("cut")
    module = tf.Module()
    module.serve = tf.function(
        lambda images: {"logits": tf.zeros([tf.shape(images)[0], 10])},
        input_signature=[tf.TensorSpec([None, 4, 4, 3], name="images")],
    )
    tf.saved_model.save(module, str(folder / "ten"), {"serving_default": module.serve})
    return folder


@pytest.mark.parametrize(
    ("program", "arguments"),
    [("train", arguments) for arguments in TRAIN] + [("evaluate", each) for each in EVALUATE],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[-2:]) or "nothing",
)
def test_a_mistake_is_one_line(folder, call, program, arguments):
    said = (TRAIN if program == "train" else EVALUATE)[arguments]
    there = [each.replace("=X", f"={folder}/X").replace("=F/", f"={folder}/") for each in arguments]
    code, out, error = call(f"classify.{program}", *there)
    assert (code, out) == (1, ""), error
    (line,) = error.splitlines()
    assert line.startswith("error: ") and said in line
    assert not (folder / "X").exists()
    assert {path.name for path in (folder / "run").iterdir()} == {"config.json", "best.keras"}
