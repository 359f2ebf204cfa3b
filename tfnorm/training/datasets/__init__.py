"""Labelled images of a named dataset: a whole split in memory, or read one by one."""

from tfnorm.training.datasets.encoded import EncodedImages, check_images, decode
from tfnorm.training.datasets.images import Images, Kind
from tfnorm.training.datasets.opening import image_kind, load_images, stream_images

__all__ = [
    "EncodedImages",
    "Images",
    "Kind",
    "check_images",
    "decode",
    "image_kind",
    "load_images",
    "stream_images",
]
