"""Labelled images of a named dataset: a whole split in memory, or read one by one."""

from harness.datasets.decoding import decode
from harness.datasets.encoded import EncodedImages, check_images
from harness.datasets.in_memory import Images
from harness.datasets.labelled import ImageKind
from harness.datasets.opening import held_out_split, image_kind, load_images, stream_images

__all__ = [
    "EncodedImages",
    "ImageKind",
    "Images",
    "check_images",
    "decode",
    "held_out_split",
    "image_kind",
    "load_images",
    "stream_images",
]
