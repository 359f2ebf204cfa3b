"""The disturbance of each normalization layer of a trained model, on the images of its training."""

import dataclasses
import zlib

from classify.experiments.disturbed_methods import DIVIDED, label, methods
from harness.figures import charts

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


def layers(request):
    """The `Layers` of the run that the request names."""
    from classify.saved import best_path, run_config

    known = run_config(request.run_dir)
    config = Layers(
        run_dir=request.run_dir,
        network=f"{zlib.crc32(best_path(request.run_dir).read_bytes()):08x}",
        dataset=known.dataset,
        data_dir=known.data_dir,
        batch_size=known.batch_size,
        **SMALL if request.scale == "small" else {},
    )
    return request.override(config)


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
    return label(row["kind"]) if row["kind"] in methods() else row["kind"]
