"""Input scalings, from pixels in [0, 255] to what a network is given."""

import dataclasses
import io

import numpy as np
import tensorflow as tf

from harness.datasets.damage import reason
from harness.errors import UserError
from harness.files import write_whole

# torchvision's constants, of images in [0, 1].
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)

_CHUNK = 1000


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """An affine map of images: (images - mean) / divisor.

    Attributes:
        mean: float32, of a shape that broadcasts to (height, width, channels), in [0, 255].
        divisor: float32, as `mean`.
    """

    mean: np.ndarray
    divisor: np.ndarray

    def __call__(self, images):
        """Scales images.

        Args:
            images: (..., height, width, channels) in [0, 255], of any dtype.

        Returns:
            float32 of the same shape.
        """
        images = tf.cast(images, tf.float32)
        for own in (self.mean.shape, self.divisor.shape):
            theirs = images.shape[images.shape.rank - len(own) :]
            if any(a not in (1, b) for a, b in zip(own, theirs, strict=True) if b is not None):
                raise ValueError(
                    f"`images` must be of a shape that a scaling of shape {own} fits. "
                    f"Received: images.shape={tuple(images.shape)}"
                )
        return (images - self.mean) / self.divisor

    def save(self, path):
        """Writes mean and divisor to `path`, an .npz file."""
        file = io.BytesIO()
        np.savez(file, mean=self.mean, divisor=self.divisor)
        write_whole(path, file.getvalue())

    @classmethod
    def load(cls, path):
        """Reads the scaling that `save` wrote to `path`.

        Raises:
            UserError: if the file is damaged, or not there.
        """
        try:
            with np.load(path) as arrays:
                scaling = cls(arrays["mean"], arrays["divisor"])
            for values in (scaling.mean, scaling.divisor):
                if values.dtype != np.float32 or not np.isfinite(values).all():
                    raise ValueError("it must be of finite float32 numbers")
            if not (scaling.divisor > 0).all():
                raise ValueError("its divisors are not above 0")
            if not ((scaling.mean >= 0) & (scaling.mean <= 255)).all():
                raise ValueError("its means are not of pixels, from 0 to 255")
        except Exception as error:  # Damaged files surface as one of many types.
            said = reason(error) or type(error).__name__
            raise UserError(f"Damaged data: {path} is not an input scaling ({said})") from error
        return scaling


def make_scaling(name, images=None):
    """Makes the `Scaling` of a name of `SCALINGS`.

    Args:
        name: "symmetric" or "imagenet", which are constants; "pixel_variance", "pixel_std" or
            "channel_std", which are moments of `images`.
        images: the `Images` of the training set; may be something else, as None, where the
            scaling is a constant.

    Raises:
        ValueError: there is no such scaling, or no training set in memory where it is of one.
    """
    if name not in SCALINGS:
        raise ValueError(f"`name` must be one of {sorted(SCALINGS)}. Received: name={name!r}")
    return SCALINGS[name](images)


def _symmetric(images):
    """Scales [0, 255] to [-1, 1]: the MLPs of the paper on stochasticity, on MNIST."""
    return Scaling(np.float32(127.5), np.float32(127.5))


def _imagenet(images):
    """Scales by torchvision's constants, which the paper on stochasticity uses on ImageNet."""
    return Scaling(
        np.float32(255) * np.array(_IMAGENET_MEAN, np.float32),
        np.float32(255) * np.array(_IMAGENET_STD, np.float32),
    )


def _pixel_variance(images):
    """Scales by per-pixel mean and variance, as the authors of unitization wrote it.

    On CIFAR the variance is about 4,000 in units of [0, 255], and the scaled images are of
    magnitude 1/60: the first layer's normalization then feels its epsilon.
    """
    return _by_moments(*_pixel_moments("pixel_variance", images), power=1.0)


def _pixel_std(images):
    """Scales by per-pixel mean and standard deviation."""
    return _by_moments(*_pixel_moments("pixel_std", images), power=0.5)


def _channel_std(images):
    """Scales by per-channel mean and deviation: the VGG of the paper on stochasticity, on CIFAR."""
    mean, variance = _pixel_moments("channel_std", images)
    # Of all pixels of a channel: the mean of the variances and the variance of the means.
    variance = variance.mean((0, 1)) + mean.var((0, 1))
    return _by_moments(mean.mean((0, 1)), variance, power=0.5)


SCALINGS = {
    "symmetric": _symmetric,
    "pixel_variance": _pixel_variance,
    "pixel_std": _pixel_std,
    "channel_std": _channel_std,
    "imagenet": _imagenet,
}


def _by_moments(mean, variance, power):
    # Where nothing varies, as at MNIST's borders, every divisor gives 0; 1 keeps it finite, also
    # for a test image that differs there.
    divisor = np.where(variance == 0, 1.0, variance**power)
    return Scaling(mean.astype(np.float32), divisor.astype(np.float32))


def _pixel_moments(name, images):
    """Computes mean and biased variance by pixel, float64 (h, w, c), without a float64 copy."""
    pixels = getattr(images, "images", None)
    if not isinstance(pixels, np.ndarray):
        raise ValueError(
            f"`images` must be a training set in memory for the scaling {name!r}. "
            f"Received: images={images!r}"
        )
    # Relative to the first image: of what never varies the variance is 0, without rounding.
    first = pixels[0].astype(np.float64)
    chunks = [pixels[i : i + _CHUNK] for i in range(0, len(pixels), _CHUNK)]
    mean = sum((chunk - first).sum(0) for chunk in chunks) / len(pixels)
    squares = sum(np.square(chunk - first - mean).sum(0) for chunk in chunks)
    return first + mean, squares / len(pixels)
