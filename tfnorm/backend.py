"""The backend of Keras that the layers are for."""

import keras


def check_backend() -> None:
    """Raises ImportError where Keras runs on another backend than TensorFlow.

    The layers compute with TensorFlow whatever Keras runs on: on another backend they would fail
    with its messages, or train without effect.
    """
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise ImportError(
            "tfnorm is for Keras on TensorFlow: set the environment variable "
            f"KERAS_BACKEND=tensorflow before Keras is imported. Received: backend={backend!r}"
        )
