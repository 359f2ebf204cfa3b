"""Labelled images of a named dataset: a whole split in memory, or read one by one."""

from harness.datasets.encoded import EncodedImages, check_images, decode
from harness.datasets.images import Images, Kind
from harness.datasets.opening import image_kind, load_images, stream_images

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
