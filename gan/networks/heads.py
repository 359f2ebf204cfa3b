"""The ends that all architectures share: latent and labels, and the discriminator's heads."""

import keras

from tfnorm.layers import SpectralNormalization

LATENT_SIZE = 128


def normalized(layer, spectral, name=None):
    """Wraps a layer in spectral normalization if `spectral`: `spectral_<its name>` if not named."""
    if not spectral:
        return layer
    return SpectralNormalization(layer, name=name or f"spectral_{layer.name}")


def latent_and_labels(num_classes):
    """Makes the generator's inputs: "latent" (n, 128), and "labels", int32 (n,), or None."""
    latent = keras.Input((LATENT_SIZE,), name="latent")
    return latent, None if num_classes is None else _labels()


def _labels():
    return keras.Input((), dtype="int32", name="labels")


def discriminator(image, features, pooled, *, num_classes, conditional, spectral):
    """Completes a discriminator, from its last features to a model.

    Args:
        image: its input (n, h, w, channels).
        features: (n, any), what the score is linear in.
        pooled: (n, width), the last feature map's sum over positions: what labels are compared to.
        num_classes: number of classes, for a conditional one.
        conditional: "none": image to logits (n, 1). "projection": [image, labels] to logits
            (n, 1), to which `<V_y, pooled>` is added with a vector of the label's class. "acgan":
            image to [logits (n, 1), class logits (n, classes)].
        spectral: whether the dense layer and the vectors of classes are spectrally normalised; the
            layer of class logits never is.

    Returns:
        A Keras model.

    Reference:
        Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018,
        https://arxiv.org/abs/1802.05637. Odena et al., "Conditional Image Synthesis with Auxiliary
        Classifier GANs", ICML 2017, https://arxiv.org/abs/1610.09585.
    """
    score = normalized(keras.layers.Dense(1, name="dense"), spectral)(features)
    inputs, outputs = HEADS[conditional](image, score, features, pooled, num_classes, spectral)
    return keras.Model(inputs, outputs, name="discriminator")


def _score(image, score, features, pooled, num_classes, spectral):
    return image, score


def _projection(image, score, features, pooled, num_classes, spectral):
    labels = _labels()
    embedding = keras.layers.Embedding(num_classes, pooled.shape[-1], name="embedding")
    product = keras.layers.Dot(1, name="projection")(
        [normalized(embedding, spectral)(labels), pooled]
    )
    return [image, labels], keras.layers.Add(name="score")([score, product])


def _classifier(image, score, features, pooled, num_classes, spectral):
    return image, [score, keras.layers.Dense(num_classes, name="classes")(features)]


# By conditional: what makes inputs and outputs of the model, from the arguments above.
HEADS = {"none": _score, "projection": _projection, "acgan": _classifier}
