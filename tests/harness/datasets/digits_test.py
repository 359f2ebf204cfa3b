import numpy as np
import sklearn.datasets

from harness.datasets import image_kind, load_images, stream_images
from tests.harness.datasets.checked import bilinear, message


def test_digits_are_the_embedded_images():
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    train, test = load_images("digits", "train"), load_images("digits", "test")
    assert (train.name, train.split, train.num_classes) == ("digits", "train", 10)
    assert train.images.shape == (1437, 32, 32, 1) and test.images.shape == (360, 32, 32, 1)
    assert train.images.dtype == np.float32 and train.labels.dtype == np.int64
    np.testing.assert_array_equal(np.concatenate([train.labels, test.labels]), labels)
    expected = bilinear(images.reshape(-1, 8, 8, 1), 32) * (255 / 16)
    got = np.concatenate([train.images, test.images])
    np.testing.assert_allclose(got, expected, atol=1e-3)
    assert got.min() == 0 and got.max() == 255
    assert image_kind("digits") == image_kind("digits", "no/such/folder") == (1, 10, (32, 32))


def test_digits_at_another_size():
    images = sklearn.datasets.load_digits(return_X_y=True)[0].reshape(-1, 8, 8, 1) * (255 / 16)
    as_stored = load_images("digits", "test", image_size=8).images
    np.testing.assert_allclose(as_stored, images[1437:], rtol=1e-6)
    larger = load_images("digits", "test", image_size=28).images
    np.testing.assert_allclose(larger, bilinear(images[1437:], 28), atol=1e-3)


def test_mistakes():
    text = message(load_images, "digits", "valid")
    assert "Dataset 'digits' has the splits ['test', 'train']. Received: split='valid'" in text
    assert "Received: image_size=0" in message(load_images, "digits", "train", image_size=0)
    text = message(load_images, "digits", "train", image_size=10**6)
    assert "must fit in memory. Received: 1437 images of 1000000x1000000x1 values, 57" in text
    # NumPy calls what no address could tell a ValueError.
    text = message(load_images, "digits", "train", image_size=10**10)
    assert "must fit in memory. Received: 1437 images of 10000000000x10000000000x1" in text
    assert "Received: dataset='digits', which is read" in message(stream_images, "digits", "test")
