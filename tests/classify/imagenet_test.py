"""ImageNet's networks and data as a user has them, on folders of a few JPEGs of varying sizes."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

FLAGS = [
    "classify.train",
    "--preset=imagenet_resnet18_arc_c_itn_g64_matrix",
    "--dataset=folder",
    "--width=8",
    "--image_size=32",
    "--batch_size=4",
    "--steps=3",
    "--log_every=1",
    "--eval_every=3",
]
CLASSES = ("ant", "bee", "cow")
# Of 4 images of these layers' 2x2 positions, or one.
FEW_ROWS = [*(f"stage_{i}_block_{j}_norm_1" for i in (3, 4) for j in (1, 2)), "last_norm"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Has train/ and val/ with four and two JPEGs a class, each a noise of its own size."""
    folder = tmp_path_factory.mktemp("imagenet")
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        for name in CLASSES:
            (folder / "data" / split / name).mkdir(parents=True)
            for i in range(count):
                height, width = rng.integers(20, 70, 2)
                pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
                Image.fromarray(pixels).save(folder / "data" / split / name / f"{i}.JPEG")
    return folder


@pytest.fixture(scope="module")
def trained(folder, call):
    """What a run said, its directory."""
    run = folder / "run"
    code, out, error = call(*FLAGS, f"--data_dir={folder}/data", f"--run_dir={run}")
    assert (code, error) == (0, "")
    return out, run


def test_a_network_for_imagenet_trains_on_a_folder_of_images(trained):
    out, run = trained
    assert "12 training and 6 test images, 3 classes; an epoch is 3 steps." in out
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert [row["step"] for row in rows if "test_accuracy" in row] == [0, 3]
    assert all(np.isfinite(row["loss"]) for row in rows[1:])
    # ARC_C: the stem, one site in each of eight blocks, and one before the dense layer.
    shown = [line for line in out.splitlines() if line.startswith("  ")]
    warnings = [line for line in shown if line.startswith("  warning: ")]
    sites = [line for line in shown if line not in warnings]
    whitened = [line.split(":")[0].strip() for line in sites if ": itn, " in line]
    blocks = [f"stage_{i}_block_{j}_norm_1" for i in (1, 2, 3, 4) for j in (1, 2)]
    assert whitened == ["stem_norm", *blocks, "last_norm"]
    # Two to a block, three shortcuts, and these two.
    assert len(sites) == 2 * 8 + 3 + 2
    # Once each, and of the last layers only: 4 images have few positions there.
    assert [line.split()[1] for line in warnings] == FEW_ROWS


def test_evaluate_measures_what_was_measured(folder, call, trained):
    run = trained[1]
    code, out, error = call("classify.evaluate", f"--run_dir={run}")
    assert (code, error) == (0, "")
    result = json.loads((run / "evaluation.json").read_text())
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert result["test_accuracy"] == last["test_accuracy"]
    assert result["test_loss"] == pytest.approx(last["test_loss"], rel=1e-4)
    assert result["test_top5_accuracy"] == 1.0
    assert np.mean(result["test_class_accuracies"]) == pytest.approx(result["test_accuracy"])
    assert (result["split"], result["images"]) == ("validation", 6)
    given = ["--dataset=folder", f"--data_dir={folder}/data", "--image_size=32", "--resized_crop"]
    saved = [f"--saved_model={run}/model", "--test_split=val", f"--out={folder}/saved.json"]
    code, _, error = call("classify.evaluate", *saved, *given)
    assert (code, error) == (0, "")
    again = json.loads((folder / "saved.json").read_text())
    assert again["test_loss"] == pytest.approx(result["test_loss"], rel=1e-6)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_damaged_image_is_named(folder, call, trained, tmp_path, split):
    data = tmp_path / "data"
    shutil.copytree(folder / "data", data)
    damaged = data / split / "bee" / "1.JPEG"
    # The whole header, and of the pixels so few that no crop is above where the file ends.
    damaged.write_bytes(damaged.read_bytes()[:700])
    run = [f"--run_dir={tmp_path}/run"] if split == "train" else [f"--run_dir={trained[1]}"]
    arguments = [*FLAGS, *run] if split == "train" else ["classify.evaluate", *run]
    code, _, error = call(*arguments, f"--data_dir={data}")
    (line,) = error.splitlines()
    assert code == 1
    assert line.startswith(f"error: {damaged} must be a whole PNG, JPEG")
