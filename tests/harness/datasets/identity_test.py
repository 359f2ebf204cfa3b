"""Images are what they are wherever they lie, and others are others."""

import shutil

import numpy as np
import tensorflow as tf

from harness.datasets import Images, load_images, stream_images
from harness.datasets.identity import fingerprint, identity
from harness.datasets.in_memory import resized
from harness.datasets.taking import some, taken

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
LABELS = np.arange(9) % 2
IMAGES = Images("toys", "train", PIXELS, LABELS, 2, ("a", "b"))


def with_pixels(pixels):
    return Images("toys", "train", pixels, LABELS, 2)


def test_pixels_and_their_order_count():
    mark = fingerprint(IMAGES)
    assert mark == fingerprint(with_pixels(PIXELS.copy())) and len(mark) == 16
    other = PIXELS.copy()
    other[8, 3, 3, 2] ^= 1
    others = [with_pixels(pixels) for pixels in (other, PIXELS[::-1], PIXELS.astype(np.float32))]
    others += [with_pixels(PIXELS.reshape(9, 2, 8, 3)), taken(IMAGES, np.arange(8))]
    marks = {fingerprint(images) for images in others}
    assert len(marks) == 5 and mark not in marks


def test_what_was_resized_is_known_by_what_it_was():
    small = resized(IMAGES, 3)
    assert small.images.dtype == np.float32 and fingerprint(small) == fingerprint(IMAGES)
    few = some(small, 5, seed=0)
    assert fingerprint(few) == fingerprint(some(small, 5, seed=0))
    assert len({fingerprint(few), fingerprint(small), fingerprint(some(small, 5, seed=1))}) == 3


def test_a_folder_may_move(tmp_path):
    for i, image in enumerate(PIXELS):
        path = tmp_path / f"one/train/{LABELS[i]}/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tf.io.encode_png(image).numpy())
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    first, second = (stream_images("folder", "train", tmp_path / name) for name in ("one", "two"))
    known = identity(train=first)
    assert known == identity(train=second) and known["classes"] == '["0", "1"]'
    # In memory it is the same, at any size.
    assert fingerprint(load_images("folder", "train", tmp_path / "two", 7)) == fingerprint(first)
    (tmp_path / "two/train/0/8.png").write_bytes(tf.io.encode_png(PIXELS[0]).numpy())
    other = identity(train=stream_images("folder", "train", tmp_path / "two"))
    assert {name for name in known if other[name] != known[name]} == {"train_fingerprint"}
