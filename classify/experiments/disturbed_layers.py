"""The disturbance of each normalization layer of a trained model, on the images of its training."""

import dataclasses
import zlib

import keras
import numpy as np
import tensorflow as tf

from classify import inputs
from classify.experiments.disturbed_methods import DIVIDED, LABELS, finite, whiteness
from classify.parts import first, open_split, taken
from classify.saved import best_network, best_path, run_config
from harness.errors import UserError
from harness.figures import charts
from tfnorm.analysis.layer_stochasticity import layer_disturbances
from tfnorm.layers.sites import normalization_sites

# Ours: a layer's inputs for all images are in memory, 0.7 GB of 64 channels of 32 x 32 pixels.
SMALL = {"train_size": 2_000, "samples": 10, "batches": 20}

PANELS = {
    "disturbance": "Disturbance",
    "condition_number": "Condition number of\nthe output's covariance",
    "deviation": "Deviation of the output's\ncovariance from the identity",
}


@dataclasses.dataclass(frozen=True)
class Layers:
    """The best network of a run, in mini-batches of at most `train_size` of its training images.

    `network` is the checksum of the file; `samples` and `batches` are of `layer_disturbances`.
    """

    run_dir: str
    network: str
    dataset: str
    data_dir: str | None
    batch_size: int
    train_size: int | None = 5_000
    normalizer: str | None = "sqrt"
    samples: int = 20
    batches: int = 50
    seed: int = 0

    def __post_init__(self):
        if self.train_size is not None and self.train_size < 1:
            raise ValueError(
                f"`train_size` must be at least 1. Received: train_size={self.train_size}"
            )
        if self.seed < 0:
            raise ValueError(f"`seed` must not be negative. Received: seed={self.seed}")


def layers(options):
    """The `Layers` of the run that the options name."""
    of_run = run_config(options.run_dir)
    config = Layers(
        run_dir=options.run_dir,
        network=f"{zlib.crc32(best_path(options.run_dir).read_bytes()):08x}",
        dataset=of_run.dataset,
        data_dir=of_run.data_dir,
        batch_size=of_run.batch_size,
        **SMALL if options.scale == "small" else {},
    )
    return options.override(config)


def measure(config):
    """Rows of a layer, what it is, its disturbance, and the whiteness of its output.

    The whiteness is that of a mini-batch, normalised as in training: without gamma and beta, which
    have nothing to do with it, while they are in the disturbance. Of "bn" and others without a
    whitening it is of all channels together.
    """
    model, scaling = best_network(config.run_dir)
    images = _images(config, scaling)
    found = layer_disturbances(
        model,
        images,
        config.batch_size,
        samples=config.samples,
        batches=config.batches,
        normalizer=config.normalizer,
        seed=config.seed,
    )
    if not found:
        raise UserError(f"The network of {config.run_dir} has no normalization layer.")
    group_sizes = {site.name: site.group_size for site in normalization_sites(model)}
    rows = []
    for name, kind, channels, value in found:
        size = group_sizes[name] if kind in LABELS else None
        output = _normalized(model, model.get_layer(name), images[: config.batch_size])
        rows.append(
            {
                "layer": name,
                "kind": kind,
                "channels": channels,
                "group_size": size,
                "disturbance": finite(value),
                **whiteness(output, size),
            }
        )
    return rows


def _images(config, scaling):
    """Some training images of the run, drawn at random, without augmentation and scaled."""
    of_run = dataclasses.replace(run_config(config.run_dir), data_dir=config.data_dir)
    images = first(open_split(of_run, "train"), of_run.train_size)
    count = len(images.labels)
    order = np.random.default_rng(config.seed).permutation(count)[: config.train_size]
    return inputs.scaled_images(taken(images, order), scaling, of_run.image_size)


def _normalized(model, layer, images):
    """What the layer makes of these images in training, with a gamma of 1 and a beta of 0."""
    x = keras.Model(model.inputs, layer.input)([images], training=False)
    weights = [(layer.gamma, tf.ones_like), (layer.beta, tf.zeros_like)]
    neutral = [(weight, like(weight)) for weight, like in weights if weight is not None]
    with keras.StatelessScope(state_mapping=neutral):
        return layer(x, training=True)


def describe(config, rows):
    """Which layer is noisy, in a few words."""
    value, name = max((row["disturbance"] or 0.0, row["layer"]) for row in rows)
    return f"{len(rows)} layers, most of all {name}: {value:.3g}"


def tables(config, rows):
    """A row for each layer."""
    count = "all" if config.train_size is None else f"at most {config.train_size:,}"
    caption = (
        f"Disturbance{DIVIDED[config.normalizer]} of each normalization layer of the best network "
        f"of {config.run_dir}, with its gamma and beta, in mini-batches of {config.batch_size} of "
        f"{count} training images of {config.dataset}; the mean of "
        f"{config.samples} samples in {config.batches} mini-batches each. Condition number and "
        "deviation from the identity are of the covariance of its output without them: of the "
        "worst group of channels, and of BN of all channels together. A dash is infinite, of a "
        "covariance that is singular, as of a channel that is the same everywhere, or not a number."
    )
    lines = [
        {
            "layer": row["layer"],
            "normalization": _label(row),
            "channels": row["channels"],
            "channels in a group": row["group_size"],
            "disturbance": row["disturbance"],
            "condition number": row["condition_number"],
            "deviation": row["deviation"],
        }
        for row in rows
    ]
    return {"layers": (caption, lines)}


def draw(path, config, rows):
    """Bars for each layer, from the first of the network down."""
    titles = PANELS | {"disturbance": f"Disturbance\n{DIVIDED[config.normalizer].strip()}".strip()}
    panels = {
        title: {row["layer"]: {_label(row): row[measure]} for row in rows}
        for measure, title in titles.items()
    }
    logarithmic = [titles["condition_number"], titles["deviation"]]
    charts.write_rows(path, panels, logarithmic=logarithmic, missing="infinite")


def _label(row):
    return LABELS.get(row["kind"], row["kind"])
