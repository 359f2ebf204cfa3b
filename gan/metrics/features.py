"""Feature networks, from images to the features that metrics are of."""

import hashlib
import pathlib
import re

import numpy as np
import tensorflow as tf

from gan.config import INCEPTION
from harness import saved_models
from harness.errors import UserError

DIGITS = "digits"

_SHIPPED = pathlib.Path(__file__).with_name("digits").resolve()
_INCEPTION_SIZE = 299
_BATCH_SIZE = 50


class FeatureNetwork:
    """A network from images to features, and to logits if it is a classifier.

    Attributes:
        name: what printed lines and file names call it.
        fingerprint: 12 hexadecimal digits that another network does not have.
    """

    def __init__(self, name, fingerprint, function):
        """Wraps a function.

        Args:
            name, fingerprint: see the attributes.
            function: takes a tensor float32 (n, h, w, 3) in [0, 255] to features (n, d) and logits
                (n, classes), or None.
        """
        self.name = name
        self.fingerprint = fingerprint
        self._function = function

    def __call__(self, images, batch_size=_BATCH_SIZE, progress=None):
        """Computes features of images batch by batch.

        Args:
            images: (n, height, width, 1 or 3) in [0, 255], uint8 or float; n at least 1. One
                channel is repeated to three.
            batch_size: images at a time, which bounds the memory.
            progress: called as `progress(done, n)` after each batch.

        Returns:
            features, float32 (n, d), and logits, float32 (n, classes), or None if the network has
            none.

        Raises:
            ValueError: if `images` have another shape.
        """
        if np.ndim(images) != 4 or np.shape(images)[-1] not in (1, 3) or not len(images):
            raise ValueError(
                "`images` must be (n, height, width, 1 or 3), n at least 1. "
                f"Received: shape={np.shape(images)}"
            )
        features, logits = [], []
        for start in range(0, len(images), batch_size):
            batch = np.asarray(images[start : start + batch_size], np.float32)
            batch = np.broadcast_to(batch, [*batch.shape[:3], 3])
            outputs = self._function(tf.constant(batch))
            features.append(outputs[0].numpy().astype(np.float32))
            if outputs[1] is not None:
                logits.append(outputs[1].numpy().astype(np.float32))
            if progress is not None:
                progress(start + len(batch), len(images))
        return np.concatenate(features), np.concatenate(logits) if logits else None


def load_features(spec):
    """Loads a feature network.

    Args:
        spec: one of

            * "digits": the classifier of handwritten digits that this project trained
              (`gan.train_features`).
            * "tfgan_inception": the network of tensorflow-gan's FID, from TensorFlow Hub.
            * a directory with a SavedModel, either with `serving_default(images)` from float32
              (n, h, w, 3) in [0, 255] to `features` and, if it can, `logits`; or with the outputs
              `pool_3` and `logits`, as a local copy of tensorflow-gan's network. That one gets
              what tensorflow-gan gives it: images in [-1, 1], resized bilinearly to 299x299.

    Returns:
        A `FeatureNetwork`. A directory is named for its last part.

    Raises:
        UserError: if there is no such network, or it cannot be used so.
    """
    path = pathlib.Path(spec)
    if spec == DIGITS or path.resolve() == _SHIPPED:
        return _load(_SHIPPED, DIGITS)
    if spec == INCEPTION:
        return _load(_download_inception(), INCEPTION)
    if not path.is_dir():
        raise UserError(
            f"--features must be {DIGITS!r}, {INCEPTION!r} or a directory with a SavedModel. "
            f"Received: features={str(spec)!r}, which is no directory"
        )
    return _load(path, None)


def _download_inception():
    from gan.tfgan import tfgan

    address = tfgan.eval.INCEPTION_TFHUB
    try:
        import tensorflow_hub

        return pathlib.Path(tensorflow_hub.resolve(address))
    except Exception as error:  # Of the network, the archive, the disk: many types.
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"--features={INCEPTION}: cannot get {address} ({type(error).__name__}: {reason}). "
            'Where there is a network, python -c "import tensorflow_hub; '
            f"print(tensorflow_hub.resolve('{address}'))\" prints a directory: copy it here and "
            "give its path, --features=DIR"
        ) from error


def _load(path, name):
    try:
        fingerprint = _fingerprint(path)
        function = _function(saved_models.load(path))
        for output in function(tf.zeros([2, 32, 32, 3])):
            if output is not None and (output.shape.rank != 2 or output.shape[0] != 2):
                raise ValueError(f"of 2 images it gives an output of shape {output.shape}")
    except Exception as error:  # Damaged files surface as one of many types.
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"The feature network in {path} cannot be used ({type(error).__name__}: {reason}). It "
            "must be a SavedModel whose serving_default takes `images`, float32 (n, h, w, 3) in "
            "[0, 255], to `features`, (n, d); or a copy of tensorflow-gan's, with `pool_3`"
        ) from error
    if name is None:
        name = re.sub(r"[^\w.-]+", "_", path.resolve().name)
        if name in (DIGITS, INCEPTION):  # Those names say which network it is.
            name = f"{name}-{fingerprint}"
    return FeatureNetwork(name, fingerprint, function)


def _function(model):
    """Finds a SavedModel's function from (n, h, w, 3) in [0, 255] to (features, logits or None)."""
    signature = dict(model.signatures).get("serving_default") if model.signatures else None
    names = sorted(signature.structured_outputs) if signature else []
    if "features" in names:
        call = _single_argument(signature)

        def features(images):
            outputs = call(images)
            return outputs["features"], outputs.get("logits")

        return features

    if callable(model):  # As tensorflow-gan calls it.
        call = model
    elif "pool_3" in names:
        call = _single_argument(signature)
    else:
        raise ValueError(f"its outputs are {names}")

    def inception(images):
        images = tf.image.resize(images, [_INCEPTION_SIZE] * 2, method="bilinear")
        outputs = call(images / 127.5 - 1.0)
        if not (isinstance(outputs, dict) and "pool_3" in outputs):
            received = sorted(outputs) if isinstance(outputs, dict) else "not named"
            raise ValueError(f"its outputs are {received}")
        pool = outputs["pool_3"]
        return tf.reshape(pool, [tf.shape(pool)[0], -1]), outputs.get("logits")

    return inception


def _single_argument(signature):
    """Makes a signature a function of its one argument, whatever that is called."""
    arguments = signature.structured_input_signature[1]
    if len(arguments) != 1:
        raise ValueError(f"its arguments are {sorted(arguments)}")
    ((name, spec),) = arguments.items()

    def call(images):
        if not spec.is_compatible_with(images):  # A signature itself does not look.
            raise ValueError(f"it takes {spec.dtype.name} {spec.shape}, not {images.shape}")
        return signature(**{name: images})

    return call


def _fingerprint(path):
    """Digests the files that make up a SavedModel: 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for pattern in ("saved_model.pb", "saved_model.pbtxt", "variables/**/*", "assets/**/*"):
        for file in sorted(path.glob(pattern)):
            if file.is_file():
                content = file.read_bytes()
                digest.update(f"{file.relative_to(path).as_posix()} {len(content)}\n".encode())
                digest.update(content)
    return digest.hexdigest()[:12]
