"""The configuration of a classifier's run."""

import dataclasses
import fractions

from harness.config import (
    CHANNELS,
    COUNT,
    EPOCHS,
    LAYERS,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE_BELOW_1,
    Check,
    Data,
    Normalization,
    Run,
    again,
    between,
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


def _are_estimators(text):
    return set(text.split(",")) <= set(names_in("tfnorm.analysis.em_distance", "ESTIMATORS"))


_ESTIMATORS = Check("of clipped, penalized, sliced, exact, with commas", _are_estimators)
_NAMES = Check("names with commas", lambda text: all(text.split(",")))


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
        "How many images of the training split are used, a random subset; none: all.",
        check=COUNT,
    )
    test_split: str = option(
        "test", "Data", "Split of the dataset that accuracy is measured on, as test or validation."
    )
    input_scaling: str = option(
        "pixel_variance",
        "Data",
        "What pixel values in [0, 255] become for the network: symmetric, [-1, 1]; pixel_variance "
        "and pixel_std, less the mean and divided by the variance or deviation of each pixel; "
        "channel_std, of each channel; imagenet, by ImageNet's.",
        choices=Table("classify.scalings", "SCALINGS"),
    )
    augmentation: str = option(
        "shift_flip",
        "Data",
        "How training images are varied: none; shift_flip, crop_flip, by a few pixels and "
        "mirrored; resized_crop_flip, a random part, as for ImageNet.",
        choices=Table("classify.augmentations", "AUGMENTATIONS"),
    )

    model: str = option(
        "resnet_cifar",
        "Network",
        "Architecture of the network.",
        choices=Table("classify.networks", "MODELS"),
    )
    variant: str = option(
        "plain",
        "Network",
        "Form of the model: plain; bottleneck, blocks of resnet_cifar; linear, a linear layer "
        "after each normalization of mlp; arc_a to arc_c_no_last, where resnet_imagenet has the "
        "normalization and where bn.",
        choices=_variants,
    )
    depth: int = option(110, "Network", "Layers with weights; of mlp, hidden layers.", check=LAYERS)
    width: int = option(
        16,
        "Network",
        "Channels of the first convolution; of mlp, units of a hidden layer.",
        check=CHANNELS,
    )

    norm: str = again(Normalization, "norm", "unitization")
    recovery: str = option(
        "scale_shift",
        "Normalization",
        "What is learned after each normalization: nothing, a scale and a shift of each channel, "
        "or a matrix of them (coloring).",
        choices=RECOVERIES,
    )
    groups: int | None = option(
        None,
        "Normalization",
        "Number of groups, for --norm=gn and gw, in place of --group_size.",
        check=CHANNELS,
    )
    epsilon: float = again(
        Normalization,
        "epsilon",
        1e-3,
        "Small number that is added to variances and covariances, so that none is 0. The papers': "
        "1e-3; 1e-5 for itn and for bn beside whitening.",
    )

    epochs: float = option(
        200.0, "Training", "Times that each training image is seen.", check=EPOCHS
    )
    steps: int | None = again(
        Run,
        "steps",
        None,
        "Updates of the network, in place of --epochs, and --schedule stretches over as many; "
        "none: as --epochs says.",
    )
    learning_rate: float = again(Run, "learning_rate", 0.05, "Learning rate of SGD, at the start.")
    schedule: str = option(
        "steps",
        "Training",
        "How the learning rate falls: steps, by --decay_at and --decay_rate; cosine; constant.",
        choices=Table("classify.schedules", "SCHEDULES"),
    )
    decay_at: str = option(
        "61/200,121/200,161/200",
        "Training",
        "For --schedule=steps: when the rate falls, in shares of the run, with commas.",
        check=_SHARES,
    )
    decay_rate: float = option(
        0.2,
        "Training",
        "For --schedule=steps: what the rate is multiplied by then.",
        check=POSITIVE,
    )
    sgd_momentum: float = option(
        0.9,
        "Training",
        "SGD's momentum: its weight of the old velocity. A velocity keeps the rates of its steps, "
        "as in Keras; in PyTorch a new rate holds for all of it at once.",
        check=SHARE_BELOW_1,
    )
    nesterov: bool = option(True, "Training", "Whether SGD's momentum is Nesterov's.")
    weight_decay: float = option(
        1e-3,
        "Training",
        "This times a weight is added to its gradient, which keeps weights small; twice Keras' l2.",
        check=NOT_NEGATIVE,
    )
    decayed: str = option(
        "kernels",
        "Training",
        "Which weights --weight_decay is for: kernels, of convolutions and dense layers; all.",
        choices=Table("classify.trainer", "DECAYED"),
    )
    freeze: str | None = option(
        None,
        "Training",
        "Beginnings of names of layers that are not trained, with commas, as stem,stage_1: their "
        "weights and moving statistics stay; none: all are trained.",
        check=_NAMES,
    )
    seed: int = again(
        Run, "seed", 0, "Number that initial weights, data order and augmentation follow from."
    )

    shift_estimators: str | None = option(
        None,
        "Covariate shift",
        "By what is estimated how far layers' outputs go in an epoch of training, in earth "
        "mover's distance: of clipped, penalized, sliced, exact, with commas; none: it is not "
        "measured.",
        check=_ESTIMATORS,
    )
    shift_layers: str | None = option(
        None,
        "Covariate shift",
        "Names of the layers that are measured, with commas; none: normalizations as deep as the "
        "paper's six.",
        check=_NAMES,
    )
    shift_samples: int | None = option(
        None,
        "Covariate shift",
        "Training images, and test images, that it is measured on, spread over their splits; "
        "none: all.",
        check=between(2, 1_000_000_000),  # they are halved
    )
    shift_every: int | None = option(
        None,
        "Covariate shift",
        "Steps between the states that are compared; none: an epoch.",
        check=COUNT,
    )
    shift_steps: int | None = option(
        None,
        "Covariate shift",
        "Steps of training a critic, which clipped and penalized do; none: the paper's 1,500.",
        check=COUNT,
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
        "How many checkpoints are kept, the last; none: all of them.",
        check=COUNT,
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
