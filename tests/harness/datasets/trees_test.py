"""A zip of a folder is what the folder is."""

import io
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from harness.datasets import held_out_split, image_kind, load_images, stream_images
from harness.datasets.identity import identity
from tests.harness.datasets import checked

FORMS = {
    "flat": ["a.png", "b.PNG", "more/c.png"],
    "classes": ["cat/a.png", "dog/b.png", "dog/more/c.png"],
    "splits": ["train/cat/a.png", "train/dog/b.png", "test/dog/c.png"],
}


@pytest.fixture(params=FORMS)
def folder(request, tmp_path):
    random = np.random.default_rng(0)
    for name in FORMS[request.param]:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (5, 5, 3), np.uint8)).save(path, "png")
    (tmp_path / "images" / "read.me").touch()
    (tmp_path / "images" / ".hidden.png").touch()
    return tmp_path / "images"


@pytest.mark.parametrize("within", [True, False])
def test_a_zip_is_read_as_its_folder(folder, within, capsys):
    root = {"root_dir": folder.parent, "base_dir": "images"} if within else {"root_dir": folder}
    packed = shutil.make_archive(folder.parent / "packed", "zip", **root)
    assert image_kind("folder", packed) == image_kind("folder", folder)
    assert held_out_split("folder", packed) == held_out_split("folder", folder)
    splits = ["train", "test"] if held_out_split("folder", folder) else ["train"]
    for split in splits:
        whole, unpacked = (load_images("folder", split, path, 6) for path in (packed, folder))
        np.testing.assert_array_equal(whole.images, unpacked.images)
        np.testing.assert_array_equal(whole.labels, unpacked.labels)
        assert whole.class_names == unpacked.class_names
        assert identity(train=whole) == identity(train=unpacked)
        streamed = stream_images("folder", split, packed)
        assert identity(train=streamed) == identity(train=stream_images("folder", split, folder))
        assert streamed.describe(0).startswith(str(packed))
    assert sorted(path.name for path in folder.parent.iterdir()) == ["images", "packed.zip"]
    said = capsys.readouterr().out
    assert "1 hidden" in said and "read.me" not in said


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["train/a/1.png", "train//a/1.png"])
def test_an_image_that_is_stored_twice_is_named(tmp_path, again):
    """All would be read as the last, and be counted each."""
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("read.me", "read.me", "train/a/1.png", "train/b/1.png", again):
            archive.writestr(name, name)
    said = checked.message(stream_images, "folder", "train", file)
    assert said.startswith(f"{file} must have each image once. Received: {again} several times")


def test_what_is_no_zip_of_images_is_one_line(tmp_path):
    file = tmp_path / "a.zip"
    file.write_bytes(b"PK nonsense")
    message = checked.message(load_images, "folder", "train", file, 6)
    assert message.startswith(f"{file} must be a whole zip file (")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("read.me", "text")
    said = checked.message(load_images, "folder", "train", file, 6)
    assert "must hold images (.png, " in said and said.endswith("Received: neither")
    pixels = io.BytesIO()
    Image.new("RGB", (64, 64)).save(pixels, "bmp")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.bmp", pixels.getvalue())
        archive.writestr("../../b.bmp", pixels.getvalue())
    # A name that leads out of the archive is passed over as hidden; nothing is written.
    assert load_images("folder", "train", file, 6).images.shape == (1, 6, 6, 3)
    content = bytearray(file.read_bytes())
    content[2000] ^= 1
    file.write_bytes(content)
    assert "cannot be read: " in checked.message(load_images, "folder", "train", file, 6)
    streamed = stream_images("folder", "train", file)
    told = checked.message(identity, train=streamed)
    assert told.startswith(f"{file}/a.bmp cannot be read: ") and "Bad CRC-32" in told
    content[content.rfind(b"PK\x01\x02") + 6] = 255
    file.write_bytes(content)
    told = checked.message(load_images, "folder", "train", file, 6)
    assert told == f"{file} must be a whole zip file (zip file version 25.5)"
