"""What there is to choose of a run: its configuration."""

import dataclasses
import fractions
import math


def field(default, group, help):
    """A field that the programs have a flag for, below the heading `group` of `--help`."""
    return dataclasses.field(default=default, metadata={"group": group, "help": help})


@dataclasses.dataclass(frozen=True)
class Config:
    """What determines a run. The defaults are unitization's experiments on CIFAR-10."""

    dataset: str = field(
        "cifar10",
        "Data",
        "digits (embedded), folder (DATA_DIR/SPLIT/CLASS/*.jpg), or a dataset as cifar100, mnist.",
    )
    data_dir: str | None = field(
        None,
        "Data",
        "Directory with data prepared by tensorflow-datasets, with the official files of CIFAR or "
        "MNIST, or with the folders of splits; digits need none.",
    )
    image_size: int | None = field(
        None,
        "Data",
        "Height and width of images, in pixels; none: as they are stored, and 32 of digits.",
    )
    train_size: int | None = field(
        None, "Data", "Images of the training split that are used, the first; none: all."
    )
    test_split: str = field("test", "Data", "The split that accuracy is measured on.")
    input_scaling: str = field(
        "pixel_variance", "Data", "From pixel values in [0, 255] to the network's input."
    )
    augmentation: str = field("shift_flip", "Data", "What is done to training images.")

    model: str = field("resnet_cifar", "Network", "Architecture.")
    variant: str = field(
        "plain",
        "Network",
        "Bottleneck blocks of resnet_cifar, a linear layer after each normalization of mlp, or "
        "where resnet_imagenet has the normalization and where bn.",
    )
    depth: int = field(110, "Network", "Layers with weights; of mlp, hidden layers.")
    width: int = field(
        16, "Network", "Channels of the first convolution; of mlp, units of a hidden layer."
    )

    norm: str = field("unitization", "Normalization", "Normalization.")
    group_size: int | None = field(
        None, "Normalization", "Channels in a group, for whitening and gn; none: all are one."
    )
    groups: int | None = field(
        None, "Normalization", "Number of groups, for gn, in place of a group size."
    )
    recovery: str = field("scale_shift", "Normalization", "What follows a normalization.")
    iterations: int = field(5, "Normalization", "Steps of Newton's iteration, for itn.")
    estimate: str = field(
        "covariance", "Normalization", "What the moving average follows, for whitening."
    )
    epsilon: float = field(
        1e-3,
        "Normalization",
        "Added to variances and covariances. The papers': 1e-3; 1e-5 for "
        "itn and for bn beside whitening.",
    )
    norm_momentum: float = field(
        0.99, "Normalization", "Weight of the old value in moving averages, in [0, 1]."
    )
    device: str | None = field(
        None, "Normalization", "Where pca and zca decompose; none: the CPU if there is a GPU."
    )
    synchronized: bool = field(
        False, "Normalization", "Whether batch statistics are those of all replicas together."
    )

    epochs: float = field(200.0, "Training", "Times that each training image is seen.")
    steps: int | None = field(
        None, "Training", "Updates, in place of epochs; schedules stretch over as many."
    )
    batch_size: int = field(128, "Training", "Images in a batch, over all replicas.")
    learning_rate: float = field(0.05, "Training", "SGD's, at the start.")
    schedule: str = field("steps", "Training", "What becomes of the learning rate.")
    decay_at: str = field(
        "61/200,121/200,161/200",
        "Training",
        "For the schedule steps: when the rate falls, in shares of the run, with commas.",
    )
    decay_rate: float = field(0.2, "Training", "For the schedule steps: what it is multiplied by.")
    sgd_momentum: float = field(
        0.9,
        "Training",
        "SGD's weight of the old velocity, in [0, 1). A velocity keeps "
        "the rates of its steps, as in Keras; in PyTorch a new rate holds for all of it at once.",
    )
    nesterov: bool = field(True, "Training", "Whether SGD's momentum is Nesterov's.")
    weight_decay: float = field(
        1e-3,
        "Training",
        "What a weight is multiplied by and added to its gradient; twice Keras' l2.",
    )
    decayed: str = field(
        "kernels", "Training", "Weights that decay: kernels of convolutions and dense layers, all."
    )
    seed: int = field(0, "Training", "Of initial weights, data order and augmentation.")

    shift_estimators: str | None = field(
        None,
        "Covariate shift",
        "Estimators of how far, in earth mover's distance, layers' outputs go in an epoch, with "
        "commas, of clipped, penalized, sliced, exact; none: it is not measured.",
    )
    shift_layers: str | None = field(
        None,
        "Covariate shift",
        "Names of layers, with commas; none: normalizations as deep as the paper's six.",
    )
    shift_samples: int | None = field(
        None,
        "Covariate shift",
        "Training images, and test images, that are used, spread over the split; none: all.",
    )
    shift_every: int | None = field(
        None, "Covariate shift", "Steps between the states that are compared; none: an epoch."
    )
    shift_steps: int | None = field(
        None, "Covariate shift", "Steps of training a critic; none: the paper's 1,500."
    )
    shift_rate: float | None = field(
        None, "Covariate shift", "Learning rate of the clipped critic; none: 5e-5."
    )

    fold: bool = field(
        False,
        "Export",
        "Whether to write model_folded/ beside model/: the same function with bn and whitenings "
        "folded into the layers around them; other norms stay.",
    )

    strategy: str = field(
        "default", "Run", "tf.distribute: one device, all of this machine, or TF_CONFIG's machines."
    )
    log_every: int = field(100, "Run", "Steps from one line of losses to the next.")
    eval_every: int | None = field(
        None,
        "Run",
        "Steps from one evaluation to the next, on one device while others wait; none: an epoch.",
    )
    checkpoint_every: int = field(1_000, "Run", "Steps from one checkpoint to the next.")
    keep_checkpoints: int | None = field(
        2, "Run", "The last checkpoints that are kept; none: all of them."
    )
    deterministic: bool = field(
        False, "Run", "Whether to allow only operations that give the same bits each time; slower."
    )

    def __post_init__(self):
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        for name in ("learning_rate", "epochs", "decay_rate", "shift_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be positive and finite. Received: {name}={value}")
        if self.shift_samples is not None and self.shift_samples < 2:
            raise ValueError(
                "`shift_samples` must be at least 2, to halve them. "
                f"Received: shift_samples={self.shift_samples}"
            )
        for name in ("layers", "samples", "every", "steps", "rate"):
            value = getattr(self, f"shift_{name}")
            if self.shift_estimators is None and value is not None:
                raise ValueError(
                    f"`shift_{name}` needs `shift_estimators`, without which nothing is measured. "
                    f"Received: shift_{name}={value}, shift_estimators=None"
                )
        if not 0 <= self.epsilon < math.inf:
            raise ValueError(
                f"`epsilon` must be finite and not negative. Received: epsilon={self.epsilon}"
            )
        if not 0 <= self.norm_momentum <= 1:
            raise ValueError(
                f"`norm_momentum` must be in [0, 1]. Received: norm_momentum={self.norm_momentum}"
            )
        if not 0 <= self.sgd_momentum < 1:
            raise ValueError(
                f"`sgd_momentum` must be in [0, 1). Received: sgd_momentum={self.sgd_momentum}"
            )
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(
                "`weight_decay` must be finite and not negative. "
                f"Received: weight_decay={self.weight_decay}"
            )
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"`seed` must be in [0, 2^31). Received: seed={self.seed}")
        if self.nesterov and not self.sgd_momentum:
            raise ValueError(
                "`nesterov` needs a momentum. Received: nesterov=True, sgd_momentum=0.0"
            )
        self.decay_shares  # noqa: B018 - fails here if it cannot be read

    @property
    def decay_shares(self):
        """`decay_at` as ascending fractions, each between 0 and 1."""
        try:
            shares = [fractions.Fraction(share) for share in self.decay_at.split(",")]
        except (ValueError, ZeroDivisionError):
            shares = [2]
        if sorted({0, *shares, 1}) != [0, *shares, 1]:
            raise ValueError(
                "`decay_at` must be ascending shares of the run between 0 and 1, with commas, as "
                f"61/200,0.6. Received: decay_at={self.decay_at!r}"
            )
        return shares


_POSITIVE = (
    "image_size",
    "train_size",
    "depth",
    "width",
    "group_size",
    "groups",
    "iterations",
    "steps",
    "batch_size",
    "log_every",
    "eval_every",
    "checkpoint_every",
    "keep_checkpoints",
    "shift_every",
    "shift_steps",
)

# What may differ between two starts of the same run.
FREE = ("data_dir", "fold", "log_every", "eval_every", "checkpoint_every", "keep_checkpoints")
