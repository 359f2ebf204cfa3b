"""What the experiments share whose runs train a GAN: how a run is done and what is read from it."""

import typing

from gan.config import INCEPTION, Config
from harness.experiments.trained import PRODUCT, write_result

FREE = Config.free()

# Fields of a `Config` that all of them have flags for.
FIELDS = (
    "dataset",
    "data_dir",
    "image_size",
    "variant",
    "generator_filters",
    "discriminator_filters",
    "iterations",
    "epsilon",
    "norm_momentum",
    "device",
    "steps",
    "batch_size",
    "seed",
    "features",
    "feature_size",
    "feature_range",
    "feature_layout",
    "eval_samples",
    "score_samples",
    "strategy",
    "log_every",
    "eval_every",
    "checkpoint_every",
    "deterministic",
)

# Ours, the small scale: a run takes about a minute on two cores.
SMALL = {
    "dataset": "mnist",
    "image_size": 28,
    "generator_filters": 32,
    "discriminator_filters": 32,
    "batch_size": 32,
    "steps": 800,
    "log_every": 100,
    "eval_every": 1_000_000,  # at the start and at the end
    "checkpoint_every": 400,
}


class Names(typing.NamedTuple):
    """What a distance of features, and the score of their logits, are called."""

    distance: str
    score: str


# No other distance than that of Inception's features is an FID.
PUBLISHED, OWN = Names("FID", "IS"), Names("Fréchet distance", "classifier score")


# What a result has, in the order of a `Result`.
_RESULT = ("frechet_distance", "inception_score", "inception_score_deviation")


class Result(typing.NamedTuple):
    """What a run came to; None: it has diverged, or its features have no score."""

    distance: float | None
    score: float | None
    deviation: float | None


def carry_out(config, directory):
    """Trains as `gan.train` does."""
    from gan.run import Run

    Run(config, directory.path).train()
    write_result(directory)


def result(outcome):
    """The `Result` of a finished run, from its last evaluation."""
    if outcome.state != "complete":
        return Result(None, None, None)
    row = outcome.read(PRODUCT, *_RESULT)
    return Result(*(row[name] for name in _RESULT))


def describe(outcome):
    """A complete run in a few words."""
    return f"{names([outcome]).distance} {result(outcome).distance:.4g}"


def warnings(outcomes):
    """What is to be said below a table of distances, a text: they are of too few images."""
    from gan.metrics.evaluation import few_of

    rows = [outcome.read(PRODUCT) for outcome in outcomes if outcome.state == "complete"]
    return "".join(
        f" {line}" for line in dict.fromkeys(line for row in rows for line in few_of(row))
    )


def names(outcomes):
    """The `Names` of what was measured, by the network that the results tell of.

    It may be another than --features of now.
    """
    networks = {
        outcome.read(PRODUCT).get("features", outcome.job.config.features)
        for outcome in outcomes
        if outcome.state == "complete"
    }
    return PUBLISHED if networks == {INCEPTION} else OWN


# What an `Experiment` has whose jobs are runs of `gan.train`.
TRAINS = {"carry_out": carry_out, "product": PRODUCT, "free": FREE, "describe": describe}
