"""Generators as SavedModels, which need TensorFlow only."""

import keras
import tensorflow as tf

from tfnorm.folding import fold_normalization


def export(generator, path):
    """Writes `serving_default(latent[, labels]) -> images`, with its normalizations folded away.

    Args:
        generator: a Keras model: latent (n, d), and labels (n,) if it is conditional, to images
            (n, height, width, channels) in [-1, 1].
        path: the directory, which then has the SavedModel: `latent` float32 (n, d) and `labels`
            int32 (n,) to `images`.
    """
    folded, _ = fold_normalization(generator)
    archive = keras.export.ExportArchive()
    archive.track(folded)
    signature = [
        tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype, name=name)
        for tensor, name in zip(folded.inputs, ("latent", "labels"), strict=False)
    ]
    archive.add_endpoint(
        "serve",
        lambda *inputs: {
            "images": folded(inputs[0] if len(inputs) == 1 else list(inputs), training=False)
        },
        input_signature=signature,
    )
    archive.write_out(str(path), verbose=False)
