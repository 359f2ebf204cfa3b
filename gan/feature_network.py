"""A feature network of our own: made, trained on labelled images, exported and measured."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from gan.metrics.evaluation import few_images
from gan.metrics.features import load_features
from gan.metrics.frechet import frechet_distance_of_features
from harness.datasets import held_out_split, load_images
from harness.datasets.batches import input_fn
from harness.errors import UserError
from harness.files import whole_directory
from harness.networks import check_memory, making_networks, size_in_bytes

IMAGE_SIZE = 32
MAX_SHIFT = 2 / 32


def train_features(config, out):
    """Trains a network, exports it, and measures what was exported.

    Args:
        config: a `train_features.Config`.
        out: the directory of the SavedModel.

    Raises:
        UserError: there is no such data.
    """
    out = pathlib.Path(out)
    held_out = held_out_split(config.dataset, config.data_dir)
    training, *others = (
        load_images(config.dataset, split, config.data_dir, IMAGE_SIZE)
        for split in ("train", *([held_out] if held_out else []))
    )
    if training.num_classes is None:
        raise UserError(
            "A feature network needs images with classes, as DIR/train/CLASS/IMAGE. Received: "
            f"images in --data_dir={config.data_dir} without"
        )
    batches = input_fn(training, config.batch_size, seed=config.seed)
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    with making_networks():
        network = build(training.num_classes)
        check_memory([network], config.batch_size)
    fit(network, batches(tf.distribute.InputContext()), config.steps)
    with whole_directory(out, size_in_bytes(network)) as aside:
        export(network, aside)
    print(f"Wrote {out}, {sum(f.stat().st_size for f in out.rglob('*') if f.is_file())} bytes.")
    report(load_features(out), training, *others)


def build(num_classes):
    """A network from (n, 32, 32, 1) in [-1, 1] to features (n, 64) and logits (n, num_classes).

    Four 3x3 convolutions of stride 2; the features are the mean over the 2x2 positions of the last.
    They are smooth in the image: SiLU has no kink, and nothing saturates.
    """
    x = image = keras.Input([IMAGE_SIZE, IMAGE_SIZE, 1])
    for filters in (16, 32, 64, 64):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation("silu")(x)
    features = keras.layers.GlobalAveragePooling2D()(x)
    logits = keras.layers.Dense(num_classes)(keras.layers.Dropout(0.2)(features))
    return keras.Model(image, [features, logits])


def fit(network, batches, steps):
    """Trains on batches of `input_fn` with small shifts: cross-entropy, Adam, cosine to zero."""
    shift = keras.layers.RandomTranslation(MAX_SHIFT, MAX_SHIFT, fill_mode="nearest")
    image = keras.Input([IMAGE_SIZE, IMAGE_SIZE, None])
    logits = network(shift(keras.ops.mean(image, -1, keepdims=True)))[1]
    model = keras.Model(image, logits)
    model.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(2e-3, steps), 1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    pairs = batches.map(lambda batch: (batch["images"][0], batch["labels"][0]))
    lines = max(n for n in range(1, 11) if steps % n == 0)  # Of progress.
    model.fit(pairs, epochs=lines, steps_per_epoch=steps // lines, shuffle=False, verbose=2)


def export(network, path):
    """Writes the SavedModel that `gan.metrics.features` describes."""

    def serve(images):
        x = tf.reduce_mean(tf.image.resize(images, [IMAGE_SIZE] * 2), -1, keepdims=True)
        features, logits = network(x / 127.5 - 1.0, training=False)
        return {"features": features, "logits": logits}

    images = tf.TensorSpec([None, None, None, 3], tf.float32, "images")
    # Keras's own export stores every variable twice.
    module = tf.Module()
    module.weights = [weight.value for weight in network.weights]
    module.serve = tf.function(serve, input_signature=[images], autograph=False)
    tf.saved_model.save(module, str(path), {"serving_default": module.serve})


def report(network, *splits):
    """Prints the accuracies and, of two splits, the distance between them, of what was exported."""
    features = []
    for images in splits:
        rows, logits = network(images.images)
        accuracy = np.mean(logits.argmax(1) == images.labels)
        print(f"{images.split} accuracy: {accuracy:.2%} of {len(rows)}")
        features.append(rows)
    if len(splits) == 1:
        return
    distance = frechet_distance_of_features(*features)
    names = " to ".join(images.split for images in splits)
    print(f"Fréchet distance of {network.name} features, {names}: {distance:.4g}")
    counts = [(images.split, len(rows)) for images, rows in zip(splits, features, strict=True)]
    for line in few_images(counts, features[0].shape[1]):
        print(line)
