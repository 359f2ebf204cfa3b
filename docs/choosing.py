"""The tables of docs/choosing.md, some minutes on two cores.

`python docs/choosing.py` trains a perceptron on scikit-learn's digits with each whitening, and
prints how it generalises and how much a sample's output depends on the batch that it is in.
`python docs/choosing.py steps` counts the steps that Newton's iteration needs.
"""

import sys

import keras
import numpy as np
from sklearn.datasets import load_digits

import tfnorm
from tfnorm.functional.whiteners import SCALINGS

WIDTH, DEPTH, STEPS, BATCH_SIZES, SEEDS = 128, 3, 400, (32, 256), (0, 1, 2)
ROWS = [("bn", None)] + [
    (method, size) for method in ("pca", "zca", "cd", "itn") for size in (8, 16, 32, None)
]


def norm(method, size, estimate):
    if method == "bn":
        return keras.layers.BatchNormalization(momentum=0.9)
    return tfnorm.BatchWhitening(method, group_size=size, estimate=estimate, momentum=0.9)


def test_accuracy(method, size, estimate, batch_size, seed):
    """In percent, of the last 360 digits, after training on the first 1,437."""
    images, labels = load_digits(return_X_y=True)
    images = images.astype(np.float32) / 8.0 - 1.0
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input([64])])
    for _ in range(DEPTH):
        model.add(keras.layers.Dense(WIDTH, use_bias=False))
        model.add(norm(method, size, estimate))
        model.add(keras.layers.ReLU())
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    used = slice(0, 1437 // batch_size * batch_size)  # whole batches
    epochs = -(-STEPS * batch_size // used.stop)
    model.fit(images[used], labels[used], batch_size=batch_size, epochs=epochs, verbose=0)
    return 100 * model.evaluate(images[1437:], labels[1437:], verbose=0)[1]


def disturbance(method, size, batch_size, channels=64, batches=50):
    """Mean distance of one normal sample's output from its mean over random batches."""
    rng = np.random.default_rng(0)
    layer = norm(method, size, "covariance")
    sample = rng.normal(size=(1, channels))
    outputs = []
    for _ in range(batches):
        others = rng.normal(size=(batch_size - 1, channels))
        batch = np.concatenate([sample, others]).astype(np.float32)
        outputs.append(layer(batch, training=True).numpy()[0])
    outputs = np.stack(outputs)
    return np.linalg.norm(outputs - outputs.mean(0), axis=1).mean()


def steps_to_whiten(covariance, scaling, within=0.05):
    """Steps until the deviation in each direction is within so much of 1."""
    for steps in range(1, 50):
        w = tfnorm.functional.whitening_matrix(
            covariance, "itn", epsilon=0.0, iterations=steps, scaling=scaling
        ).numpy()
        deviations = np.sqrt(np.linalg.eigvalsh(w @ covariance @ w))
        if np.abs(deviations - 1.0).max() <= within:
            return steps
    raise ValueError(f"Received: scaling={scaling!r}, which takes more than 50 steps")


def print_steps(rows=1024):
    print("| channels | " + " | ".join(SCALINGS) + " |\n" + "|---" * (1 + len(SCALINGS)) + "|")
    for channels in (16, 32, 64, 128, 256, 512):
        sample = np.random.default_rng(0).normal(size=(rows, channels))
        covariance = np.cov(sample, rowvar=False, bias=True)
        steps = [str(steps_to_whiten(covariance, scaling)) for scaling in SCALINGS]
        print(f"| {channels} | " + " | ".join(steps) + " |", flush=True)


def print_accuracies():
    print(
        "| method | group | "
        + " | ".join(f"B={b}: covariance | matrix | disturbance" for b in BATCH_SIZES)
        + " |"
    )
    print("|---" * (2 + 3 * len(BATCH_SIZES)) + "|")
    for method, size in ROWS:
        cells = []
        for batch_size in BATCH_SIZES:
            for estimate in ("covariance", "matrix"):
                if method == "bn" and estimate == "matrix":
                    cells.append("")
                    continue
                found = [test_accuracy(method, size, estimate, batch_size, s) for s in SEEDS]
                cells.append(f"{np.mean(found):.1f} ± {np.std(found):.1f}")
            cells.append(f"{disturbance(method, size, batch_size):.2f}")
        print(f"| {method} | {size or 'all'} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    print_steps() if sys.argv[1:] == ["steps"] else print_accuracies()
