"""What the experiments share whose runs train a classifier: how one is done and what is read."""

from classify.config import Config
from harness.experiments.trained import PRODUCT, write_result

FREE = Config.free()

# Fields of a `Config` that all of them have flags for.
FIELDS = (
    "dataset",
    "data_dir",
    "image_size",
    "train_size",
    "test_split",
    "input_scaling",
    "augmentation",
    "depth",
    "iterations",
    "epsilon",
    "norm_momentum",
    "device",
    "epochs",
    "steps",
    "learning_rate",
    "weight_decay",
    "seed",
    "strategy",
    "log_every",
    "eval_every",
    "checkpoint_every",
    "deterministic",
)


def carry_out(config, directory):
    """Trains as `classify.train` does."""
    from classify.run import Run

    Run(config, directory.path).train()
    write_result(directory)


def accuracy(outcome):
    """Accuracy on the test split at the end, in percent; None if the run has diverged."""
    if outcome.state != "complete":
        return None
    return 100 * outcome.read(PRODUCT, "test_accuracy")["test_accuracy"]


def length(config):
    """How long a run trains, in words."""
    return f"{config.steps:,} steps" if config.steps else f"{config.epochs:g} epochs"


def describe(outcome):
    """A complete run in a few words."""
    return f"accuracy {accuracy(outcome):.2f} %"


# What an `Experiment` has whose jobs are runs of `classify.train`.
TRAINS = {"carry_out": carry_out, "product": PRODUCT, "free": FREE, "describe": describe}
