"""The random numbers of a run: always the same of one use, and of no two uses the same."""

import itertools

import numpy as np

from gan.latents import STREAMS, evaluation_samples, labels, latents, uniforms


def test_no_two_uses_have_the_same_numbers():
    """Of seeds, batches and streams that follow each other."""
    uses = list(itertools.product((0, 1, 2, 3, 9), STREAMS, range(5)))
    numbers = {latents(*use, 1, 4).numpy().tobytes() for use in uses}
    assert len(numbers) == len(uses)
    again = {latents(*use, 1, 4).numpy().tobytes() for use in uses}
    assert again == numbers


def test_latents_are_standard_normal():
    numbers = latents(3, "training", 7, 100, 128).numpy()
    assert numbers.shape == (100, 128) and numbers.dtype == np.float32
    assert abs(numbers.mean()) < 5 / numbers.size**0.5
    assert abs(numbers.std() - 1) < 5 / (2 * numbers.size) ** 0.5


def test_labels_are_all_as_likely_and_tell_nothing_of_other_numbers():
    drawn = labels(3, "evaluation", 0, 9000, 3).numpy()
    assert drawn.dtype == np.int32
    counts = np.bincount(drawn)
    assert len(counts) == 3 and np.abs(counts - 3000).max() < 5 * (9000 * 2 / 9) ** 0.5
    # Of so many classes a label would be the very bits that a number of the same key is of.
    fine = labels(3, "evaluation", 0, 9000, 2**23).numpy()
    uniform = uniforms(3, "evaluation", 0, [9000]).numpy()
    assert abs(np.corrcoef(fine, uniform)[0, 1]) < 0.1


def test_labels_are_as_frequent_as_they_are_to_be():
    shares = np.array([0.1, 0.0, 0.6, 0.3])
    drawn = labels(3, "evaluation", 0, 9000, 4, shares).numpy()
    assert drawn.dtype == np.int32
    counts = np.bincount(drawn, minlength=4)
    assert counts[1] == 0
    assert (np.abs(counts - 9000 * shares) <= 5 * np.sqrt(9000 * shares * (1 - shares))).all()
    of_samples = []
    generate = lambda latent, label: of_samples.append(label.numpy()) or latent  # noqa: E731
    list(evaluation_samples(generate, 3, 4, 400, num_classes=4, label_shares=[0, 0, 1, 0]))
    assert set(np.concatenate(of_samples)) == {2}


def test_evaluation_samples_are_of_latents_and_labels_of_their_own():
    batches = []

    def generate(*inputs):
        batches.append([value.numpy() for value in inputs])
        return inputs[0]

    samples = list(evaluation_samples(generate, 5, 4, count=11, batch_size=4, num_classes=3))
    assert [len(batch) for batch in samples] == [4, 4, 3]
    latent, label = (np.concatenate(values) for values in zip(*batches, strict=True))
    np.testing.assert_array_equal(np.concatenate(samples), latent[:11])
    assert len(np.unique(latent[:, 0])) == len(label) == 12
    assert len({values.tobytes() for _, values in batches}) > 1
