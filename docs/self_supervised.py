"""The table of docs/notebooks/self_supervised.ipynb: features that are learned without labels.

`python docs/self_supervised.py` trains an encoder on scikit-learn's digits by two views of each
image that are to have the same embedding, with one thing after another as the last layer of the
head, with five seeds each; with --data_dir=DATA_DIR, on the first 10,000 images of MNIST. --seed=0
is of one seed, --head=cd of one last layer. It prints a line a run, and the table of all;
`python docs/self_supervised.py FILE ...` that of saved lines.
"""

import argparse
import json
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import tfnorm
from harness.datasets import load_images

IMAGES, BATCH, STEPS, RATE, SLICE = 10_000, 256, 300, 2e-3, 128
FEATURES, EMBEDDING = 128, 64


def whitening(method):
    return tfnorm.BatchWhitening(
        method, group_size=None, center=False, scale=False, synchronized=True
    )


# The last layer of the head, and the rows that it sees at a time; None: the batch's, of both views.
HEADS = {
    "nothing": (lambda: keras.layers.Identity(), None),
    "BatchNormalization": (
        lambda: keras.layers.BatchNormalization(center=False, scale=False),
        None,
    ),
    "cd": (lambda: whitening("cd"), None),
    "zca": (lambda: whitening("zca"), None),
    "itn": (lambda: whitening("itn"), None),
    "cd, slices of 128": (lambda: whitening("cd"), SLICE),
}

NAMES = ("pixels", "random", *HEADS)


def make_encoder(size):
    """Three convolutions, at the end of 2x2 or 4x4 pixels, for images of 8x8 or 28x28."""
    layers = [keras.Input((size, size, 1))]
    for i, filters in enumerate((32, 64, FEATURES)):
        strides = 1 if size == 8 and i == 0 else 2
        layers += [
            keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
        ]
    return keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D()])


def make_head():
    return keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(256, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.Dense(EMBEDDING),
        ]
    )


def view(images, seed):
    """Images (n, size, size, 1) turned, scaled, sheared, moved, brighter or darker, with noise."""
    n, size = tf.shape(images)[0], images.shape[1]
    centre, shift = (size - 1) / 2, size / 9

    def draw(what, low, high, shape=()):
        return tf.random.stateless_uniform([n, *shape], [seed, what], low, high)

    angle, shear = draw(0, -0.35, 0.35), draw(1, -0.3, 0.3)
    wide, high = draw(2, 0.75, 1.25), draw(3, 0.75, 1.25)
    a, b = wide * tf.cos(angle), wide * (shear - tf.sin(angle))
    c, d = high * tf.sin(angle), high * tf.cos(angle)
    # An output pixel p is the input at M (p - centre) + centre + shift.
    x, y = centre + draw(4, -shift, shift), centre + draw(5, -shift, shift)
    zeros = tf.zeros_like(a)
    transforms = tf.stack(
        [a, b, x - centre * (a + b), c, d, y - centre * (c + d), zeros, zeros], axis=1
    )
    images = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=[size, size],
        fill_value=0.0,
        interpolation="BILINEAR",
    )
    images *= draw(6, 0.6, 1.4, [1, 1, 1])
    return images + tf.random.stateless_normal(tf.shape(images), [seed, 7], stddev=0.1)


def train(encoder, head, last, rows, images, seed):
    """Makes two views of an image have the same embedding; returns the loss at the end."""
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, STEPS))
    variables = encoder.trainable_variables + head.trainable_variables

    @tf.function(autograph=False)
    def step(batch, number):
        views = tf.concat([view(batch, 2 * number), view(batch, 2 * number + 1)], axis=0)
        with tf.GradientTape() as tape:
            z = head(encoder(views, training=True), training=True)
            # The images of a batch are in random order: a slice is of one view, and of the same
            # images in both.
            parts = [z] if rows is None else tf.split(z, 2 * BATCH // rows)
            z = tf.concat([last(part, training=True) for part in parts], axis=0)
            first, second = tf.split(tf.math.l2_normalize(z, axis=1), 2)
            loss = tf.reduce_mean(tf.reduce_sum(tf.square(first - second), axis=1))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    order = np.random.default_rng(seed)
    losses = [
        step(tf.constant(images[order.permutation(len(images))[:BATCH]]), tf.constant(number))
        for number in range(STEPS)
    ]
    return float(np.mean(losses[-20:]))


def outputs(model, images):
    return np.concatenate(
        [model(images[i : i + 1000]).numpy() for i in range(0, len(images), 1000)]
    )


def accuracy(train_features, train_labels, test_features, test_labels):
    """In percent, of a logistic regression on features."""
    scaler = StandardScaler().fit(train_features)
    probe = LogisticRegression(C=0.1, max_iter=300).fit(
        scaler.transform(train_features), train_labels
    )
    return 100 * probe.score(scaler.transform(test_features), test_labels)


def effective_rank(rows):
    """The exponential of the entropy of a covariance's eigenvalues: from 1 to their number."""
    eigenvalues = np.linalg.eigvalsh(np.cov(rows.astype(np.float64), rowvar=False)).clip(1e-12)
    shares = eigenvalues / eigenvalues.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def spread(embeddings):
    """Deviation of embeddings on the sphere: 1 all around it, 0 where all are the same."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    deviations = np.std(embeddings / np.maximum(norms, 1e-12), axis=0)
    return float(np.sqrt(np.sum(np.square(deviations))))


def run(name, seed, parts):
    """What features come to, a dict; `name` is of `HEADS`, or pixels, or random."""
    (images, labels), (test_images, test_labels) = parts
    start = time.monotonic()
    keras.utils.set_random_seed(seed)
    found = {"head": name, "seed": seed}
    if name == "pixels":
        features = [rows.reshape(len(rows), -1) for rows in (images, test_images)]
    else:
        encoder, head = make_encoder(images.shape[1]), make_head()
        if name != "random":
            make_last, rows = HEADS[name]
            last = make_last()
            found["loss"] = train(encoder, head, last, rows, images, seed)
            embeddings = head(outputs(encoder, test_images))
            found["spread"] = spread(last(embeddings).numpy())
            found["embedding rank"] = effective_rank(embeddings.numpy())
        features = [outputs(encoder, rows) for rows in (images, test_images)]
    found["feature rank"] = effective_rank(features[1])
    found["accuracy"] = accuracy(features[0], labels, features[1], test_labels)
    return found | {"seconds": time.monotonic() - start}


def load(data_dir):
    """Training and test images in [0, 1], and their labels: MNIST, or digits without a folder."""
    name, size = ("digits", 8) if data_dir is None else ("mnist", None)
    parts = [load_images(name, split, data_dir, size) for split in ("train", "test")]
    return [
        (part.images[:IMAGES].astype(np.float32) / 255.0, part.labels[:IMAGES]) for part in parts
    ]


def print_table(runs):
    columns = ("accuracy", "loss", "spread", "embedding rank", "feature rank")
    print(f"| last layer | {' | '.join(columns)} | runs |\n" + "|---" * (2 + len(columns)) + "|")
    for name in NAMES:
        own = [found for found in runs if found["head"] == name]
        if not own:
            continue
        cells = []
        for column in columns:
            values = [found[column] for found in own if column in found]
            digits = 3 if column in ("loss", "spread") else 2 if column == "accuracy" else 1
            deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.{digits}f}{deviation}" if values else "")
        print(f"| {name} | {' | '.join(cells)} | {len(own)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--data_dir")
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--head", choices=NAMES, action="append")
    given = parser.parse_args()
    if given.files:
        lines = [line for name in given.files for line in open(name, encoding="utf-8")]
        print_table([json.loads(line) for line in lines if line.startswith("{")])
        return
    parts, runs = load(given.data_dir), []
    for seed in given.seed or range(5):
        for name in given.head or NAMES:
            if name == "pixels" and seed:
                continue  # They are the same for every seed.
            runs.append(run(name, seed, parts))
            print(json.dumps(runs[-1]), flush=True)
    print_table(runs)


if __name__ == "__main__":
    sys.exit(main())
