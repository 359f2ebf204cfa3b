"""The table of exports in docs/speed.md: `python docs/latency.py`, some minutes on two cores.

A VGG-19 for images of 32x32 with each normalization is exported as it is, with whitening matrices,
and folded. The SavedModels are loaded and called in turns; printed are medians of the time over
that of the network with BatchNormalization in the same round.
"""

import functools
import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf

import tfnorm
from classify.networks import vgg
from tfnorm.benchmark import timing

GROUPED = (("itn", 16), ("zca", 16), ("cd", 16), ("zca", 64))
WHOLE = (("itn", None), ("zca", None), ("cd", None))
BATCH_SIZES, ROUNDS = (1, 64), 20


def network(method, group_size):
    """A VGG-19 whose moving statistics are those of some batch, not where they start."""
    keras.utils.set_random_seed(0)
    if method == "bn":
        model = vgg.classifier(lambda name: keras.layers.BatchNormalization(name=name))
    else:
        model = vgg.classifier(
            lambda name: tfnorm.BatchWhitening(method, group_size=group_size, name=name)
        )
    rng = np.random.default_rng(0)
    for weight in model.non_trainable_weights:
        if weight.name.startswith("moving_covariance"):
            groups, size, _ = weight.shape
            rows = rng.normal(size=(groups, 2 * size, size))
            weight.assign(np.einsum("gnc,gnd->gcd", rows, rows) / (2 * size))
        elif weight.name == "moving_variance":
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
    return model


def served(model, path):
    """Exports a model, loads it with TensorFlow alone, and returns its function."""
    model.export(path, verbose=False)
    loaded = tf.saved_model.load(path)
    return lambda images: loaded.serve(images)


def exports(method, group_size, folder):
    """The functions of a network's exports, by kind."""
    model = network(method, group_size)
    kinds = {"covariances": model, "folded": tfnorm.fold_normalization(model)[0]}
    if method != "bn":
        kinds["matrices"] = tfnorm.fold_normalization(model, matrices_only=True)[0]
    title = f"{method} {group_size or 'all'}"
    return {
        (title, kind): served(model, str(pathlib.Path(folder) / f"{title} {kind}"))
        for kind, model in kinds.items()
    }


def main():
    with tempfile.TemporaryDirectory() as folder:
        functions = {}
        for method, group_size in (("bn", None), *GROUPED, *WHOLE):
            functions |= exports(method, group_size, folder)
            keras.backend.clear_session()
        for batch_size in BATCH_SIZES:
            images = tf.random.uniform([batch_size, 32, 32, 3], seed=0)
            calls = {
                name: functools.partial(function, images) for name, function in functions.items()
            }
            seconds = timing.interleaved(calls, ROUNDS)
            unit = seconds["bn all", "covariances"]
            print(f"batches of {batch_size}, bn {np.median(unit) * 1e3:.1f} ms")
            for (title, kind), times in seconds.items():
                print(f"  {title:<8}{kind:<12}{timing.ratio(times, unit).median:.3f}", flush=True)


if __name__ == "__main__":
    main()
