import textwrap

import numpy as np
import pytest
import tensorflow as tf

from harness.datasets import Images, load_images, stream_images
from harness.datasets.batches import attributed, input_fn, shuffled_indices
from harness.errors import UserError


def _images(n):
    """Images whose first pixel is their index, and whose second is its complement."""
    pixels = np.zeros((n, 2, 2, 1), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(n)
    pixels[:, 0, 1, 0] = 255 - np.arange(n)
    return Images("numbers", "train", pixels, np.arange(n) % 3, 3)


def _take(count, *args, context=(1, 0, 1), **kwargs):
    """The first elements of `input_fn`, stacked: (count, per_step, batch_size / replicas, ...)."""
    dataset = input_fn(*args, **kwargs)(tf.distribute.InputContext(*context))
    elements = list(dataset.take(count).as_numpy_iterator())
    return {key: np.stack([element[key] for element in elements]) for key in elements[0]}


def _indices(batches):
    return np.rint((batches["images"][..., 0, 0, 0] + 1) * 127.5).astype(int)


@pytest.mark.parametrize("size", [1, 2, 7, 360, 1437])
def test_every_epoch_is_another_permutation(size):
    epochs = shuffled_indices(5, np.arange(3 * size), size).numpy().reshape(3, size)
    assert epochs.dtype == np.int64
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(size), (3, 1)))
    if size > 7:
        assert len({tuple(epoch) for epoch in epochs}) == 3


def test_seed_decides_the_order():
    positions = np.arange(100)
    first = shuffled_indices(1, positions, 100).numpy()
    np.testing.assert_array_equal(shuffled_indices(1, positions, 100), first)
    assert np.any(shuffled_indices(2, positions, 100) != first)
    assert np.any(shuffled_indices(-1, positions, 100) != first)


def test_the_order_and_the_noise_stay_those_of_runs_that_were_begun_before():
    """A run that goes on sees what it would have seen: the keys of its numbers are a promise."""
    epochs = np.repeat(np.arange(3), 20)
    order = tf.raw_ops.RandomIndexShuffle(
        index=np.tile(np.arange(20), 3),
        seed=np.stack([np.full(60, 7), epochs, np.zeros(60, np.int64)], 1),
        max_index=np.int64(19),
        rounds=8,
    )
    np.testing.assert_array_equal(shuffled_indices(7, np.arange(60), 20), order)
    plain, noisy = (
        _take(1, _images(20), batch_size=4, per_step=2, seed=7, first_step=3, dequantize=dequantize)
        for dequantize in (False, True)
    )
    key = tf.random.experimental.stateless_fold_in(tf.constant([7, 3], tf.int64), 0x64657175)
    noise = tf.random.stateless_uniform([2, 4, 2, 2, 1], key, maxval=1 / 128)
    np.testing.assert_allclose(noisy["images"][0] - plain["images"][0], noise, atol=1e-6)


def test_any_positions_in_any_order():
    whole = shuffled_indices(3, np.arange(50), 20).numpy()
    some = np.array([41, 3, 19, 20, 20])
    np.testing.assert_array_equal(shuffled_indices(3, some, 20), whole[some])


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_neighbours_are_independent(lag):
    # With four rounds the correlation at lag 2 is -0.3; of random permutations it is 0.004 r.m.s.
    n = 60000
    for seed in range(3):
        order = shuffled_indices(seed, np.arange(n), n).numpy()
        assert abs(np.corrcoef(order[lag:], order[:-lag])[0, 1]) < 0.02


def test_one_epoch_is_every_image_once_with_its_label():
    batches = _take(5, _images(50), batch_size=5, per_step=2, seed=4)
    indices = _indices(batches)
    assert batches["images"].shape == (5, 2, 5, 2, 2, 1)
    assert batches["images"].dtype == np.float32 and batches["labels"].dtype == np.int32
    np.testing.assert_array_equal(np.sort(indices.ravel()), np.arange(50))
    np.testing.assert_array_equal(batches["labels"], indices % 3)
    order = shuffled_indices(4, np.arange(50), 50).numpy()
    np.testing.assert_array_equal(indices.ravel(), order)
    np.testing.assert_allclose(batches["images"][..., 0, 1, 0], 1 - indices / 127.5, atol=1e-6)
    np.testing.assert_array_equal(batches["images"][..., 1, :, :], -1)


def test_batches_run_across_epochs():
    indices = _indices(_take(3, _images(5), batch_size=8, seed=4)).ravel()
    order = shuffled_indices(4, np.arange(24), 5).numpy()
    np.testing.assert_array_equal(indices, order)
    for epoch in range(4):
        assert set(indices[5 * epoch : 5 * epoch + 5]) == set(range(5))


@pytest.mark.parametrize("dequantize", [False, True])
@pytest.mark.parametrize("context", [(1, 0, 1), (2, 1, 4)])
def test_a_later_start_is_the_tail(dequantize, context):
    local = context[2] // context[0]
    kwargs = dict(batch_size=8, per_step=3, seed=7, dequantize=dequantize)
    whole = _take(6 * local, _images(20), context=context, **kwargs)
    tail = _take(2 * local, _images(20), context=context, first_step=4, **kwargs)
    for key in whole:
        np.testing.assert_array_equal(tail[key], whole[key][4 * local :])


@pytest.mark.parametrize("dequantize", [False, True])
@pytest.mark.parametrize("pipelines, replicas", [(1, 2), (1, 4), (2, 2), (2, 4)])
def test_replicas_together_see_what_one_device_sees(pipelines, replicas, dequantize):
    steps, local = 3, replicas // pipelines
    kwargs = dict(batch_size=8, per_step=2, seed=7, dequantize=dequantize)
    whole = _take(steps, _images(20), **kwargs)
    shares = [
        _take(steps * local, _images(20), context=(pipelines, worker, replicas), **kwargs)
        for worker in range(pipelines)
    ]
    for key in whole:
        by_step = [
            np.concatenate(
                [share[key][step * local + j] for share in shares for j in range(local)], axis=1
            )
            for step in range(steps)
        ]
        np.testing.assert_array_equal(by_step, whole[key])


def test_dequantization_is_uniform_on_one_128th():
    kwargs = dict(batch_size=100, per_step=2, seed=1)
    clean = _take(40, _images(20), **kwargs)["images"].astype(np.float64)
    noise = _take(40, _images(20), dequantize=True, **kwargs)["images"] - clean
    assert noise.min() >= -1e-6 and noise.max() <= 1 / 128 + 1e-6
    # 32,000 values: mean and variance of U(0, 1/128) within five standard errors.
    u = noise.ravel() * 128
    assert abs(u.mean() - 0.5) < 5 * (1 / 12 / u.size) ** 0.5
    assert abs(u.var() - 1 / 12) < 5 * (1 / 180 / u.size) ** 0.5
    steps = noise.reshape(40, -1)
    correlation = np.corrcoef(steps) - np.eye(40)
    assert np.abs(correlation).max() < 0.2
    kwargs["seed"] = 2
    clean = _take(1, _images(20), **kwargs)["images"].astype(np.float64)
    other = _take(1, _images(20), dequantize=True, **kwargs)["images"] - clean
    assert abs(np.corrcoef(other.ravel(), steps[0])[0, 1]) < 0.2


def test_float_images_pass_unrounded():
    images = Images("x", "train", np.full((3, 1, 1, 1), 100.3, np.float32), np.zeros(3, int), 1)
    batch = _take(1, images, batch_size=2)["images"]
    np.testing.assert_allclose(batch, np.float32(100.3) / 127.5 - 1, rtol=1e-6)


def test_bad_batch_sizes():
    with pytest.raises(UserError, match="Received: batch_size=0"):
        input_fn(_images(4), batch_size=0)
    with pytest.raises(UserError, match="multiple of 4, .* Received: batch_size=6"):
        _take(1, _images(4), batch_size=6, context=(2, 0, 4))


def test_strategy_deals_elements_as_documented(call):
    """Two logical devices need a process of their own."""
    code = """
        import numpy as np, tensorflow as tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        from harness.datasets.batches import input_fn
        from harness.datasets import Images
        images = Images("x", "train", np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1),
                        np.arange(40), 40)
        make = input_fn(images, batch_size=6, per_step=2, seed=3)
        whole = iter(make(tf.distribute.InputContext(1, 0, 1)))
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        dealt = iter(strategy.distribute_datasets_from_function(make))
        for step in range(5):
            values = strategy.experimental_local_results(next(dealt)["labels"])
            assert len(values) == 2
            np.testing.assert_array_equal(np.concatenate(values, 1), next(whole)["labels"])
        print("agreed")
    """
    _, out, error = call("-c", textwrap.dedent(code))
    assert out == "agreed\n", error


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine images of 6x6 pixels, and one of 12x10."""
    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for number in range(10):
        size = (6, 6, 3) if number else (12, 10, 3)
        image = random.integers(0, 256, size, np.uint8)
        (folder / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())
    return folder


@pytest.mark.parametrize("first_step", [0, 3])
def test_streamed_images_are_those_in_memory(folder, first_step):
    streamed = stream_images("folder", "train", folder)
    whole = load_images("folder", "train", folder, 6)
    order = {"batch_size": 4, "per_step": 2, "seed": 5, "first_step": first_step}
    expected = _take(4, whole, **order)
    got = _take(4, streamed, image_size=6, **order)
    np.testing.assert_allclose(got["images"], expected["images"], atol=1e-6)
    np.testing.assert_array_equal(got["labels"], expected["labels"])
    # Noise is for whole numbers alone: in memory one that was resized makes all others floats.
    noise = _take(4, streamed, image_size=6, dequantize=True, **order)["images"] - got["images"]
    most = noise.reshape(4, 8, -1).max(-1)
    resized = np.abs(got["images"].reshape(4, 8, -1) * 127.5 % 1 - 0.5).max(-1) > 1e-3
    assert resized.any() and not resized.all()
    np.testing.assert_array_equal(most == 0, resized)
    assert noise.min() >= 0 and most.max() < 1 / 128 + 1e-6
    same = load_images("folder", "train", folder, 12)
    assert same.images.dtype == np.float32
    assert np.array_equal(
        _take(2, same, batch_size=2)["images"],
        _take(2, same, batch_size=2, dequantize=True)["images"],
    )


def test_a_damaged_image_is_named_when_its_batch_comes(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[: 60 if file.stem == "7" else None])
    images = stream_images("folder", "train", tmp_path)
    order = (images, 3, 2, 1, 0)
    batches = input_fn(*order, image_size=6)(tf.distribute.InputContext())
    with pytest.raises(UserError, match="7.png must be a whole PNG.*Replace it, or delete it"):
        for _ in zip(range(3), attributed(batches, *order), strict=False):
            pass
