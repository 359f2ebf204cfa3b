"""The configuration of a classifier's run."""

import dataclasses
import fractions

from harness.config import (
    NOT_NEGATIVE,
    POSITIVE,
    SHARE_BELOW_1,
    Check,
    Data,
    Normalization,
    Run,
    again,
    at_least,
    option,
)
from harness.tables import Table, names_in

# Recoveries of networks without labels.
RECOVERIES = ("none", "scale_shift", "coloring")


def shares_of_run(text):
    """Comma-separated shares of a run, as 61/200,0.6, as a list of fractions.

    Raises:
        ValueError: one is no number.
    """
    try:
        return [fractions.Fraction(share) for share in text.split(",")]
    except ZeroDivisionError as error:
        raise ValueError(str(error)) from error


def _ascend(text):
    try:
        shares = shares_of_run(text)
    except ValueError:
        return False
    return sorted({0, *shares, 1}) == [0, *shares, 1]


_SHARES = Check("ascending shares of the run between 0 and 1, with commas, as 61/200,0.6", _ascend)


def _variants():
    """What `variant` may be of any model; `models.make_model` knows of which."""
    return (
        "plain",
        "linear",
        "bottleneck",
        *names_in("classify.networks.resnet_imagenet", "ARCS"),
    )


@dataclasses.dataclass(frozen=True)
class Config(Run, Normalization, Data):
    """What determines a run. The defaults are unitization's experiments on CIFAR-10."""

    train_size: int | None = option(
        None,
        "Data",
        "Images of the training split that are used, a random subset; none: all.",
        check=at_least(1),
    )
    test_split: str = option("test", "Data", "The split that accuracy is measured on.")
    input_scaling: str = option(
        "pixel_variance",
        "Data",
        "From pixel values in [0, 255] to the network's input.",
        choices=Table("classify.scalings", "SCALINGS"),
    )
    augmentation: str = option(
        "shift_flip",
        "Data",
        "What is done to training images.",
        choices=Table("classify.augmentations", "AUGMENTATIONS"),
    )

    model: str = option(
        "resnet_cifar",
        "Network",
        "Architecture.",
        choices=Table("classify.networks", "MODELS"),
    )
    variant: str = option(
        "plain",
        "Network",
        "Bottleneck blocks of resnet_cifar, a linear layer after each normalization of mlp, or "
        "where resnet_imagenet has the normalization and where bn.",
        choices=_variants,
    )
    depth: int = option(
        110, "Network", "Layers with weights; of mlp, hidden layers.", check=at_least(1)
    )
    width: int = option(
        16,
        "Network",
        "Channels of the first convolution; of mlp, units of a hidden layer.",
        check=at_least(1),
    )

    norm: str = again(Normalization, "norm", "unitization")
    recovery: str = option(
        "scale_shift",
        "Normalization",
        "What follows the normalization: gamma and beta, or a matrix.",
        choices=RECOVERIES,
    )
    groups: int | None = option(
        None,
        "Normalization",
        "Number of groups, for gn and gw, in place of a group size.",
        check=at_least(1),
    )
    epsilon: float = again(
        Normalization,
        "epsilon",
        1e-3,
        "Added to variances and covariances. The papers': 1e-3; 1e-5 for itn and for bn beside "
        "whitening.",
    )

    epochs: float = option(
        200.0, "Training", "Times that each training image is seen.", check=POSITIVE
    )
    steps: int | None = again(
        Run, "steps", None, "Updates, in place of epochs; schedules stretch over as many."
    )
    learning_rate: float = again(Run, "learning_rate", 0.05, "SGD's, at the start.")
    schedule: str = option(
        "steps",
        "Training",
        "How the learning rate falls.",
        choices=Table("classify.schedules", "SCHEDULES"),
    )
    decay_at: str = option(
        "61/200,121/200,161/200",
        "Training",
        "For the schedule steps: when the rate falls, in shares of the run, with commas.",
        check=_SHARES,
    )
    decay_rate: float = option(
        0.2, "Training", "For the schedule steps: what it is multiplied by.", check=POSITIVE
    )
    sgd_momentum: float = option(
        0.9,
        "Training",
        "SGD's weight of the old velocity, in [0, 1). A velocity keeps the rates of its steps, as "
        "in Keras; in PyTorch a new rate holds for all of it at once.",
        check=SHARE_BELOW_1,
    )
    nesterov: bool = option(True, "Training", "Whether SGD's momentum is Nesterov's.")
    weight_decay: float = option(
        1e-3,
        "Training",
        "What a weight is multiplied by and added to its gradient; twice Keras' l2.",
        check=NOT_NEGATIVE,
    )
    decayed: str = option(
        "kernels",
        "Training",
        "Weights that decay: kernels of convolutions and dense layers, all.",
        choices=Table("classify.trainer", "DECAYED"),
    )
    freeze: str | None = option(
        None,
        "Training",
        "Beginnings of names of layers that are not trained, with commas, as stem,stage_1: their "
        "weights and moving statistics stay; none: all are trained.",
    )
    seed: int = again(Run, "seed", 0, "Of initial weights, data order and augmentation.")

    shift_estimators: str | None = option(
        None,
        "Covariate shift",
        "Estimators of how far, in earth mover's distance, layers' outputs go in an epoch, with "
        "commas, of clipped, penalized, sliced, exact; none: it is not measured.",
    )
    shift_layers: str | None = option(
        None,
        "Covariate shift",
        "Names of layers, with commas; none: normalizations as deep as the paper's six.",
    )
    shift_samples: int | None = option(
        None,
        "Covariate shift",
        "Training images, and test images, that are used, spread over the split; none: all.",
        check=Check("at least 2, to halve them", lambda value: value >= 2),
    )
    shift_every: int | None = option(
        None,
        "Covariate shift",
        "Steps between the states that are compared; none: an epoch.",
        check=at_least(1),
    )
    shift_steps: int | None = option(
        None,
        "Covariate shift",
        "Steps of training a critic; none: the paper's 1,500.",
        check=at_least(1),
    )
    shift_rate: float | None = option(
        None,
        "Covariate shift",
        "Learning rate of the clipped critic; none: 5e-5.",
        check=POSITIVE,
    )

    fold: bool = option(
        False,
        "Export",
        "Whether to write model_folded/ beside model/: the same function with bn and whitenings "
        "folded into the layers around them; other norms stay.",
        free=True,
    )
    eval_every: int | None = again(
        Run,
        "eval_every",
        None,
        "Steps from one evaluation to the next, on one device while others wait; none: an epoch.",
    )
    keep_checkpoints: int | None = option(
        2,
        "Run",
        "The last checkpoints that are kept; none: all of them.",
        check=at_least(1),
        free=True,
    )

    def __post_init__(self):
        super().__post_init__()
        for name in ("layers", "samples", "every", "steps", "rate"):
            value = getattr(self, f"shift_{name}")
            if self.shift_estimators is None and value is not None:
                raise ValueError(
                    f"`shift_{name}` needs `shift_estimators`, without which nothing is measured. "
                    f"Received: shift_{name}={value}, shift_estimators=None"
                )
        if self.nesterov and not self.sgd_momentum:
            raise ValueError(
                "`nesterov` needs a momentum. Received: nesterov=True, sgd_momentum=0.0"
            )

    @property
    def decay_shares(self):
        """`decay_at` as ascending fractions, each between 0 and 1."""
        return shares_of_run(self.decay_at)
