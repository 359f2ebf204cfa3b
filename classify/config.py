"""The configuration of a classifier's run."""

import dataclasses
import fractions

from harness import norm_names
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
    Needs,
    Normalization,
    Run,
    again,
    between,
    option,
)
from harness.tables import Table, names_in


def recoveries():
    """Those of networks without labels: what classes share is of networks that take these."""
    return tuple(name for name in norm_names.recoveries() if name != "factorized_coloring")


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

    # What a flag does nothing without.
    NEEDS = (
        Needs("decay_at", ("schedule",), lambda: ("steps",)),
        Needs("decay_rate", ("schedule",), lambda: ("steps",)),
        Needs("decayed", ("weight_decay",), lambda: POSITIVE, neutral=("kernels",)),
        Needs("epochs", ("steps",), lambda: (None,)),
        Needs("groups", ("norm",), lambda: ("gn", "gw"), neutral=(None,)),
    )

    train_size: int | None = option(
        None,
        "Data",
        "How many of the training images are used, a random subset; none: all.",
        check=COUNT,
    )
    test_split: str = option(
        "test", "Data", "Split of the dataset that accuracy is measured on, as test or validation."
    )
    input_scaling: str = option(
        "pixel_variance",
        "Data",
        "How pixel values in [0, 255] are scaled for the network: symmetric, to [-1, 1]; "
        "pixel_variance or pixel_std, less the mean of each pixel and divided by its variance or "
        "standard deviation over the training images; channel_std, the same with the mean and "
        "deviation of each channel; imagenet, with those of ImageNet.",
        choices=Table("classify.scalings", "SCALINGS"),
    )
    augmentation: str = option(
        "shift_flip",
        "Data",
        "How training images are varied at random: none; shift_flip or crop_flip, moved by a few "
        "pixels and mirrored; resized_crop_flip, a part resized and mirrored, as is usual for "
        "ImageNet.",
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
        "Form of the --model: plain; bottleneck, for resnet_cifar, has blocks of three "
        "convolutions; linear, for mlp, has a linear layer after each normalization; arc_a to "
        "arc_c_no_last, for resnet_imagenet, say where it has --norm, and else bn.",
        choices=_variants,
    )
    depth: int = option(
        110,
        "Network",
        "How many layers with weights the network has, as 20 of a ResNet-20; for mlp, how many "
        "hidden layers.",
        check=LAYERS,
    )
    width: int = option(
        16,
        "Network",
        "How many channels the first convolution has, by which the others are wider; for mlp, how "
        "many units each hidden layer has.",
        check=CHANNELS,
    )

    norm: str = again(Normalization, "norm", "unitization")
    recovery: str = option(
        "scale_shift",
        "Normalization",
        "What is learned after each normalization, to give back what it took: none; scale_shift, a "
        "scale and a shift of each channel, as is usual; coloring, a matrix over the channels and "
        "a shift.",
        choices=recoveries,
    )
    groups: int | None = option(
        None,
        "Normalization",
        "For --norm=gn and gw: how many groups the channels are divided into, in place of "
        "--group_size.",
        check=CHANNELS,
    )
    epsilon: float = again(
        Normalization,
        "epsilon",
        1e-3,
        "Small number added to variances, and to the diagonal of covariances, so that none is 0. "
        "The papers' are 1e-3, and 1e-5 for itn and for bn beside whitening.",
    )

    epochs: float = option(
        200.0, "Training", "How many times each training image is seen.", check=EPOCHS
    )
    steps: int | None = again(
        Run,
        "steps",
        None,
        "How many updates the network gets, in place of --epochs; --schedule stretches over as "
        "many. none: as many as --epochs makes.",
    )
    learning_rate: float = again(
        Run,
        "learning_rate",
        0.05,
        "Learning rate of SGD, at the start; --schedule says how it falls.",
    )
    schedule: str = option(
        "steps",
        "Training",
        "How the learning rate falls: steps, at once at the points --decay_at, by the factor "
        "--decay_rate; cosine, smoothly to 1e-5; constant, not at all.",
        choices=Table("classify.schedules", "SCHEDULES"),
    )
    decay_at: str = option(
        "61/200,121/200,161/200",
        "Training",
        "For --schedule=steps: the points at which the rate falls, as fractions of the whole "
        "training, with commas: 0.5,0.75 are at a half and at three quarters.",
        check=_SHARES,
    )
    decay_rate: float = option(
        0.2,
        "Training",
        "For --schedule=steps: factor that the rate is multiplied by at each of these points; 0.1 "
        "makes it a tenth.",
        check=POSITIVE,
    )
    sgd_momentum: float = option(
        0.9,
        "Training",
        "Momentum of SGD: how much of the velocity of the last step is kept; 0 is none, 0.9 usual. "
        "As in Keras, the velocity holds the learning rate of the steps that made it, so that a "
        "new rate takes effect over some steps; in PyTorch at once.",
        check=SHARE_BELOW_1,
    )
    nesterov: bool = option(
        True,
        "Training",
        "Whether the momentum is Nesterov's, which looks a step ahead; it needs --sgd_momentum.",
    )
    weight_decay: float = option(
        1e-3,
        "Training",
        "How strongly weights are kept small: so many times a weight is added to its gradient. "
        "1e-4 to 1e-3 is usual; it is twice what Keras' l2 is given.",
        check=NOT_NEGATIVE,
    )
    decayed: str = option(
        "kernels",
        "Training",
        "Which weights --weight_decay keeps small: kernels, those of convolutions and dense "
        "layers; all, also biases and what normalizations learn.",
        choices=Table("classify.trainer", "DECAYED"),
    )
    freeze: str | None = option(
        None,
        "Training",
        "Layers that are not trained, by the beginnings of their names, with commas, as "
        "stem,stage_1: their weights and moving statistics stay as they are. none: all are "
        "trained.",
        check=_NAMES,
    )
    seed: int = again(
        Run,
        "seed",
        0,
        "Number that all chance follows from: initial weights, order of the data, "
        "augmentation. Another seed is another try of the same.",
    )

    shift_estimators: str | None = option(
        None,
        "Covariate shift",
        "Measures how far the distributions of layers' outputs move in each epoch of training "
        "(internal covariate shift, as an earth mover's distance), by which estimators, with "
        "commas: sliced and exact, which train nothing; clipped, the paper's critic, and "
        "penalized, one with a gradient penalty. docs/covariate_shift.md says which to trust. "
        "none: it is not measured.",
        check=_ESTIMATORS,
    )
    shift_layers: str | None = option(
        None,
        "Covariate shift",
        "Names of the layers whose outputs are measured, with commas; --dry_run lists those of "
        "normalizations. none: six, as deep as the paper's.",
        check=_NAMES,
    )
    shift_samples: int | None = option(
        None,
        "Covariate shift",
        "How many images the shift is measured on, of the test split, and of the training split "
        "for critics, spread evenly over each; none: all.",
        check=between(2, 1_000_000_000),  # they are halved
    )
    shift_every: int | None = option(
        None,
        "Covariate shift",
        "Steps between the two states of the network that are compared; none: an epoch.",
        check=COUNT,
    )
    shift_steps: int | None = option(
        None,
        "Covariate shift",
        "For the estimators clipped and penalized: how many steps their critics are trained; none: "
        "1,500, the paper's.",
        check=COUNT,
    )
    shift_rate: float | None = option(
        None,
        "Covariate shift",
        "For the estimator clipped: learning rate of its critic; none: 5e-5, the paper's.",
        check=POSITIVE,
    )

    fold: bool = option(
        False,
        "Export",
        "Whether to write model_folded/ beside model/: the same network with bn and whitenings "
        "folded into the layers around them, so that they cost nothing; other norms stay.",
        free=True,
    )
    eval_every: int | None = again(
        Run,
        "eval_every",
        None,
        "Steps between two evaluations, which one device does while others wait; none: an epoch.",
    )
    keep_checkpoints: int | None = option(
        2,
        "Run",
        "How many of the last checkpoints are kept, as each takes disk space; none: all.",
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
                "`nesterov` needs a momentum above 0: give `sgd_momentum`, or no `nesterov`. "
                "Received: nesterov=True, sgd_momentum=0.0"
            )

    @property
    def decay_shares(self):
        """`decay_at` as ascending fractions, each between 0 and 1."""
        return shares_of_run(self.decay_at)
