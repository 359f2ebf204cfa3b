"""Images as a classifier is trained on: their order, what is drawn for them, their shares."""

import textwrap

import numpy as np
import pytest
import tensorflow as tf

from classify.augmentations import AUGMENTATIONS, crop_flip
from classify.inputs import evaluation_batches, training_input_fn
from classify.scalings import make_scaling
from harness.datasets import Images, decode
from harness.datasets.batches import shuffled_indices
from harness.errors import UserError
from tests.classify.toy_images import SYMMETRIC, encoded_images, image_files, numbered_images


def _of(augmentation):
    """Arguments of `training_input_fn` for an augmentation."""
    if AUGMENTATIONS[augmentation].decodes:
        return {
            "images": encoded_images(image_files()),
            "augmentation": augmentation,
            "image_size": 9,
        }
    return {"images": numbered_images(), "augmentation": augmentation}


def _take(count, context=(1, 0, 1), **kwargs):
    """The first elements, stacked: (count, batch_size / replicas, ...)."""
    dataset = training_input_fn(**{"scaling": SYMMETRIC, "batch_size": 8} | kwargs)(
        tf.distribute.InputContext(*context)
    )
    elements = list(dataset.take(count).as_numpy_iterator())
    return {key: np.stack([element[key] for element in elements]) for key in elements[0]}


def test_none_is_the_shuffled_images_scaled():
    images = numbered_images()
    batches = _take(5, images=images, augmentation="none", seed=4)
    assert batches["images"].dtype == np.float32 and batches["labels"].dtype == np.int32
    assert batches["images"].shape == (5, 8, 8, 6, 3)
    order = shuffled_indices(4, np.arange(40), 20).numpy()
    np.testing.assert_array_equal(batches["labels"].ravel(), order)
    expected = (np.float32(images.images[order]) - np.float32(127.5)) / np.float32(127.5)
    np.testing.assert_allclose(batches["images"].reshape(expected.shape), expected, atol=1e-7)


def test_a_scaling_by_pixel():
    images = numbered_images()
    scaling = make_scaling("pixel_std", images)
    batches = _take(2, images=images, augmentation="none", scaling=scaling)
    expected = scaling(images.images[batches["labels"].ravel()])
    np.testing.assert_allclose(batches["images"].reshape(expected.shape), expected, atol=1e-6)


def test_the_fill_of_crop_flip_is_black_and_of_shift_flip_is_0_after_scaling():
    images = Images("x", "train", np.full((4, 8, 8, 3), 99, np.uint8), np.arange(4), 4)
    scaling = make_scaling("imagenet")
    black, gray = scaling(np.zeros((1, 1, 1, 3))).numpy(), scaling(images.images[:1, :1, :1])
    for augmentation, fill in (("crop_flip", black), ("shift_flip", 0.0)):
        batches = _take(30, images=images, augmentation=augmentation, scaling=scaling)["images"]
        filled = np.all(np.abs(batches - fill) < 1e-5, -1)
        assert 0.05 < filled.mean() < 0.5
        if augmentation == "crop_flip":
            assert np.all(filled | np.all(np.abs(batches - gray) < 1e-5, -1))


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_a_later_start_is_the_tail(augmentation):
    context, local = (2, 1, 4), 2
    whole = _take(6 * local, context=context, seed=7, **_of(augmentation))
    tail = _take(2 * local, context=context, seed=7, first_step=4, **_of(augmentation))
    for key in whole:
        np.testing.assert_array_equal(tail[key], whole[key][4 * local :])


# Which share is whose is the matter of `deal`: here it is that all of a sample is of its row.
@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("pipelines, replicas", [(1, 2), (2, 4)])
def test_replicas_together_see_what_one_device_sees(pipelines, replicas, augmentation):
    steps, local = 3, replicas // pipelines
    whole = _take(steps, seed=7, **_of(augmentation))
    shares = [
        _take(steps * local, context=(pipelines, worker, replicas), seed=7, **_of(augmentation))
        for worker in range(pipelines)
    ]
    for key in whole:
        by_step = [
            np.concatenate([share[key][step * local + j] for share in shares for j in range(local)])
            for step in range(steps)
        ]
        np.testing.assert_array_equal(by_step, whole[key])


@pytest.mark.parametrize("augmentation", sorted(set(AUGMENTATIONS) - {"none"}))
def test_seed_and_step_decide_the_augmentation(augmentation):
    arguments = _of(augmentation)
    if AUGMENTATIONS[augmentation].decodes:  # of one colour, crops would all be the same
        pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
        arguments["images"] = encoded_images([tf.io.encode_png(pixels).numpy()] * 4)
    else:
        same = np.repeat(numbered_images().images[:1], 4, 0)
        arguments["images"] = Images("x", "train", same, np.zeros(4, int), 1)
    first = _take(5, seed=1, **arguments)["images"]
    np.testing.assert_array_equal(_take(5, seed=1, **arguments)["images"], first)
    other = _take(5, seed=2, **arguments)["images"]
    every = np.concatenate([first, other]).reshape(80, -1)
    # Of the 162 crops 80 draws give 63 different ones, give or take 3.
    assert len(np.unique(every, axis=0)) > (50 if augmentation == "crop_flip" else 75)


def test_the_augmentation_stays_that_of_runs_that_were_begun_before():
    """A run that goes on sees what it would have seen: the key of its numbers is a promise."""
    images = numbered_images()
    batches = _take(1, images=images, augmentation="crop_flip", seed=4, first_step=3)
    key = tf.random.experimental.stateless_fold_in(tf.constant([4, 3], tf.int64), 0x61756772)
    order = shuffled_indices(4, np.arange(24, 32), 20).numpy()
    moved = crop_flip(images.images[order], tf.random.stateless_uniform([8, 3], key))
    np.testing.assert_allclose(batches["images"][0], SYMMETRIC(moved), atol=1e-6)


def test_half_are_flipped_and_offsets_are_uniform():
    # One white pixel: its place tells the crop.
    pixels = np.zeros((50, 17, 17, 1), np.uint8)
    pixels[:, 8, 7] = 255
    images = Images("x", "train", pixels, np.zeros(50, int), 1)
    batches = _take(60, images=images, augmentation="crop_flip", batch_size=50)["images"]
    _, rows, columns, _ = np.nonzero(batches.reshape(3000, 17, 17, 1) == 1)
    assert len(rows) == 3000
    counts = np.bincount(rows, minlength=13)
    assert counts[:4].sum() == 0 and counts[4:].min() > 333 - 90 and counts[4:].max() < 333 + 90
    # Columns 3 to 11, flipped 5 to 13: 3 and 4 are not flipped, 12 and 13 are.
    assert abs(np.mean(columns < 5) - 1 / 9) < 0.03 and abs(np.mean(columns > 11) - 1 / 9) < 0.03
    assert columns.min() == 3 and columns.max() == 13
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.1


def test_encoded_images_with_their_labels():
    files = image_files()
    images = encoded_images(files)
    batches = _take(3, images=images, augmentation="resized_crop_flip", image_size=9, seed=4)
    assert batches["images"].shape == (3, 8, 9, 9, 3) and batches["labels"].dtype == np.int32
    order = shuffled_indices(4, np.arange(24), 12).numpy()
    np.testing.assert_array_equal(batches["labels"].ravel(), order)
    colours = np.stack([decode(content)[0, 0] for content in files])
    expected = SYMMETRIC(colours[order].reshape(3, 8, 1, 1, 3))
    np.testing.assert_allclose(batches["images"] - expected, 0, atol=1e-4)


def test_shapes_are_known_before_the_first_batch():
    for augmentation in AUGMENTATIONS:
        arguments = _of(augmentation)
        size = [9, 9] if "image_size" in arguments else [8, 6]
        make = training_input_fn(batch_size=8, scaling=SYMMETRIC, **arguments)
        spec = make(tf.distribute.InputContext(1, 0, 2)).element_spec
        assert spec["images"].shape.as_list() == [4, *size, 3]
        assert spec["labels"].shape.as_list() == [4]


def test_bad_arguments():
    images, files = numbered_images(), encoded_images(image_files())
    for arguments, message in (
        ({"augmentation": "crop"}, r"'shift_flip'\]. Received: augmentation='crop'"),
        ({"augmentation": "resized_crop_flip"}, "in memory. Received: augmentation='resized_crop_"),
        ({"images": files, "image_size": 9}, "they are read. Received: augmentation='none'"),
        ({"images": files}, "as they are read. Received: image_size=None"),
        ({"image_size": 8}, "8x6, or None. Received: image_size=8"),
    ):
        with pytest.raises(ValueError, match=message):
            _take(1, **{"images": images, "augmentation": "none"} | arguments)
    with pytest.raises(
        UserError, match="multiple of 4, the devices that share a batch. Received: batch_size=6"
    ):
        _take(1, context=(2, 0, 4), images=images, augmentation="none", batch_size=6)


def test_a_strategy_deals_the_shares(call):
    """Two logical devices need a process of their own."""
    code = """
        import numpy as np, tensorflow as tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        from classify.inputs import attributed, training_input_fn
        from classify.scalings import make_scaling
        from tests.classify.inputs_test import _of
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        arguments = _of("resized_crop_flip")
        make = training_input_fn(
            batch_size=6, scaling=make_scaling("symmetric"), seed=3, **arguments)
        whole = iter(make(tf.distribute.InputContext(1, 0, 1)))
        dealt = attributed(
            strategy.distribute_datasets_from_function(make), arguments["images"], 6, seed=3)
        for step in range(3):
            values, expected = next(dealt), next(whole)
            for key in expected:
                parts = strategy.experimental_local_results(values[key])
                assert len(parts) == 2
                np.testing.assert_array_equal(np.concatenate(parts), expected[key])
        print("agreed")
    """
    _, out, error = call("-c", textwrap.dedent(code))
    assert out == "agreed\n", error


@pytest.mark.parametrize("augmentation", ["crop_flip", "resized_crop_flip"])
def test_nothing_that_is_read_is_tuned(augmentation):
    """See `harness.datasets.flow.ahead`."""
    given = _of(augmentation)
    training = training_input_fn(batch_size=4, scaling=SYMMETRIC, **given)
    evaluation = evaluation_batches(given["images"], SYMMETRIC, image_size=given.get("image_size"))
    for dataset in (training(tf.distribute.InputContext(1, 0, 1)), evaluation):
        assert dataset.options().autotune.enabled is False
