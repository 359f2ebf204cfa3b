"""Feature networks, from images to the features that metrics are of."""

import functools
import hashlib
import pathlib
import re

import numpy as np
import tensorflow as tf

from gan.config import INCEPTION
from gan.metrics import network_inputs, opened_networks
from gan.metrics.network_inputs import Takes
from harness.errors import UserError

DIGITS = "digits"

_SHIPPED = pathlib.Path(__file__).with_name("digits").resolve()
_BATCH_SIZE = 50
AS_IT_SAYS = Takes()
# Images as a network with an output named `features` takes them, if it does not say more.
_CONTRACT = network_inputs.Input(None, None, "0:255", "channels_last")


class FeatureNetwork:
    """A network from images to features, and to logits if it is a classifier.

    Attributes:
        name: what printed lines and file names call it.
        fingerprint: 12 hexadecimal digits that another network, or the same of images that are
            brought to it in another way, does not have.
        takes: what it takes and how images are brought to that, in words; None: as they are.
        resizes: whether images of any size are brought to one.
    """

    def __init__(self, name, fingerprint, function, takes=None, resizes=False):
        """Wraps a function.

        Args:
            name, fingerprint, takes, resizes: see the attributes.
            function: takes a tensor float32 (n, h, w, 3) in [0, 255] to features (n, d) and logits
                (n, classes), or None.
        """
        self.name = name
        self.fingerprint = fingerprint
        self.takes = takes
        self.resizes = resizes
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


def load_features(spec, takes=AS_IT_SAYS):
    """Loads a feature network.

    Args:
        spec: one of

            * "digits": the classifier of handwritten digits that this project trained
              (`gan.train_features`).
            * "tfgan_inception": the network of tensorflow-gan's FID, from TensorFlow Hub.
            * a directory with a SavedModel, or a `.keras` file, of one input of images and one
              output (n, d), of Keras' own `export` or anyone's. Of several outputs it is the one
              named `features`, and `logits`, if there are any, are the classes'. An input is
              float32 (n, h, w, 3) in [0, 255] where an output is named `features`; else its size
              and layout are read from it, and its range must be said.
            * a directory with the outputs `pool_3` and `logits`, as a local copy of
              tensorflow-gan's network. That one gets what tensorflow-gan gives it: images in
              [-1, 1], resized bilinearly to 299x299.
        takes: a `Takes`, of networks of one's own.

    Returns:
        A `FeatureNetwork`. A directory is named for its last part.

    Raises:
        UserError: if there is no such network, or it cannot be used so.
    """
    path = pathlib.Path(spec)
    if spec == DIGITS or path.resolve() == _SHIPPED:
        return _load(_SHIPPED, DIGITS, takes)
    if spec == INCEPTION:
        opened_networks.check_none_given(spec, takes)
        return _load(_download_inception(), INCEPTION, takes)
    if not path.is_dir() and not _is_keras_file(path):
        raise UserError(
            f"--features must be {DIGITS!r}, {INCEPTION!r}, a directory with a SavedModel or a "
            f".keras file. Received: features={str(spec)!r}, which is neither"
        )
    return _load(path, None, takes)


def _is_keras_file(path):
    return path.suffix == ".keras" and path.is_file()


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


def _load(path, name, takes):
    try:
        fingerprint = _fingerprint(path)
        network = _opened(path, takes, fingerprint)
    except UserError:
        raise
    except Exception as error:  # Damaged files surface as one of many types.
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"The feature network in {path} cannot be used ({type(error).__name__}: {reason}). It "
            "must take images, (n, h, w, 3) or channels first, to features, (n, d): a SavedModel "
            "with serving_default or a .keras file, see docs/features.md; or a copy of "
            "tensorflow-gan's, with `pool_3`"
        ) from error
    if name is None:
        name = re.sub(r"[^\w.-]+", "_", path.resolve().name.removesuffix(".keras"))
        if name in (DIGITS, INCEPTION):  # Those names say which network it is.
            name = f"{name}-{fingerprint}"
    if network.input is None:
        return FeatureNetwork(
            name, fingerprint, network.outputs, network.said, network.said is not None
        )
    if network.input != _CONTRACT:
        seen = f"{fingerprint} {network.input}"
        fingerprint = hashlib.sha256(seen.encode()).hexdigest()[:12]

    def function(images):
        return network.outputs(network.input.bring(images))

    resizes = network.input.size is not None
    said = None if network.input == _CONTRACT else str(network.input)
    return FeatureNetwork(name, fingerprint, function, said, resizes)


@functools.lru_cache(maxsize=1)
def _opened(path, takes, fingerprint):
    # Of a SavedModel that was loaded TensorFlow keeps 4 MB and more until the process ends.
    return opened_networks.open_network(path, takes)


def _fingerprint(path):
    """Digests the files that make up a SavedModel, or a file: 12 hexadecimal digits."""
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(path.read_bytes())
    for pattern in ("saved_model.pb", "saved_model.pbtxt", "variables/**/*", "assets/**/*"):
        for file in sorted(path.glob(pattern)):
            if file.is_file():
                content = file.read_bytes()
                digest.update(f"{file.relative_to(path).as_posix()} {len(content)}\n".encode())
                digest.update(content)
    return digest.hexdigest()[:12]
