"""What images are, wherever they lie: of two starts, or two workers, to be compared."""

import hashlib
import json
import zlib

import numpy as np
import tensorflow as tf

# Of encoded images so many are read, spread over all: a split may be of terabytes.
READ = 1_000

_AT_ONCE = 1_000


def identity(**splits):
    """Tells what the images of some splits are.

    Args:
        splits: `Images` or `EncodedImages` by a name, as train.

    Returns:
        A dict of strings: of the first split `num_classes`, and `classes`, their names as JSON, if
        they have names; and of each its `NAME_images`, their number, `NAME_labels_crc32` and
        `NAME_fingerprint`.
    """
    first = next(iter(splits.values()))
    facts = {"num_classes": str(first.num_classes)}
    if first.class_names is not None:
        facts["classes"] = json.dumps(first.class_names, ensure_ascii=False)
    for name, images in splits.items():
        facts[f"{name}_images"] = str(len(images.labels))
        facts[f"{name}_labels_crc32"] = str(zlib.crc32(images.labels.tobytes()))
        facts[f"{name}_fingerprint"] = fingerprint(images)
    return facts


def fingerprint(images):
    """Computes 16 hexadecimal digits that other images do not have.

    They are of the images as they are stored, in their order: of all pixels in memory, of the bytes
    of at most `READ` files. Resized images have those of what was resized: another processor may
    round otherwise.
    """
    if images.fingerprint is not None:
        return images.fingerprint
    if hasattr(images, "images"):  # in memory
        return of_digests(_of_pixels(images.images), images.images)
    digest = hashlib.sha256(f"{len(images.labels)}".encode())
    rows = np.linspace(0, len(images.labels) - 1, min(READ, len(images.labels))).astype(np.int64)
    for content in images.contents(rows):
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def of_digests(digests, like):
    """The fingerprint of pixels by `pixel_digests`, of the type and number of values of `like`."""
    head = f"{len(digests)} {like.dtype} {tuple(like.shape[1:])}".encode()
    return hashlib.sha256(head + digests.tobytes()).hexdigest()[:16]


def of_part(images, rows):
    """The fingerprint of the images at `rows`; None where they have one of their own."""
    if images.fingerprint is None:
        return None
    return hashlib.sha256(images.fingerprint.encode() + rows.tobytes()).hexdigest()[:16]


def pixel_digests(pixels):
    """Fingerprints images of one size in a tensor (n, height, width, channels): uint8 (n, 8)."""
    return tf.fingerprint(tf.reshape(pixels, [tf.shape(pixels)[0], -1]))


def _of_pixels(pixels):
    starts = range(0, len(pixels), _AT_ONCE)
    parts = [pixel_digests(pixels[start : start + _AT_ONCE]).numpy() for start in starts]
    return np.concatenate(parts) if parts else np.zeros([0, 8], np.uint8)
