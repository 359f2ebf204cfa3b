"""The configurations of runs: what there is to choose, and the choices that have a name."""

import dataclasses


def field(default, group, help):
    """A field that the programs have a flag for, below the heading `group` of `--help`."""
    return dataclasses.field(default=default, metadata={"group": group, "help": help})


@dataclasses.dataclass(frozen=True)
class Config:
    """What determines a run. The defaults are the supplement's stability experiments."""

    dataset: str = field(
        "cifar10",
        "Data",
        "digits (embedded), folder (DATA_DIR/SPLIT/CLASS/*.jpg), or a dataset as cifar10, mnist.",
    )
    data_dir: str | None = field(
        None,
        "Data",
        "Directory with data prepared by tensorflow-datasets, with the official files of CIFAR or "
        "MNIST, or with the folders of splits; digits need none.",
    )
    image_size: int = field(32, "Data", "Height and width of images, in pixels.")

    arch: str = field("dcgan", "Networks", "Architecture.")
    variant: str = field(
        "paper", "Networks", "The network as the paper prints it, or as its authors released it."
    )
    generator_filters: int = field(
        256, "Networks", "The generator's width, after its first deconvolution or block."
    )
    discriminator_filters: int = field(
        256, "Networks", "The discriminator's width, of its last convolution or block."
    )

    conditional: str = field(
        "none", "Networks", "How the networks know of classes: projection, or acgan's classifier."
    )
    discriminator_norm: str = field(
        "none", "Networks", "The discriminator's normalization, with scale and shift."
    )
    discriminator_spectral: bool = field(
        True, "Networks", "Whether the discriminator's layers are spectrally normalised."
    )
    generator_spectral: bool = field(
        False, "Networks", "Whether the generator's are, but for deconvolutions."
    )

    norm: str = field("itn", "Normalization", "The generator's normalization.")
    recovery: str = field(
        "scale_shift",
        "Normalization",
        "What follows the normalization: gamma and beta, or a matrix; with classes, theirs.",
    )
    coloring_rank: int = field(
        4, "Normalization", "Matrices that the classes of a factorized coloring mix."
    )
    group_size: int | None = field(
        None, "Normalization", "Channels that are whitened together; none: all of a layer."
    )
    iterations: int = field(5, "Normalization", "Steps of Newton's iteration, for itn.")
    estimate: str = field(
        "covariance", "Normalization", "What the moving average follows, for whitening."
    )
    epsilon: float = field(1e-3, "Normalization", "Added to variances and covariances.")
    norm_momentum: float = field(
        0.99, "Normalization", "Weight of the old value in moving averages, in [0, 1]."
    )
    device: str | None = field(
        None, "Normalization", "Where pca and zca decompose; none: the CPU if there is a GPU."
    )
    synchronized: bool = field(
        False, "Normalization", "Whether batch statistics are those of all replicas together."
    )

    loss: str = field("hinge", "Training", "Adversarial loss.")
    gradient_penalty: str = field(
        "none", "Training", "Where the discriminator's gradient is held to length 1."
    )
    gradient_penalty_weight: float = field(10.0, "Training", "Of the gradient penalty.")
    steps: int = field(100_000, "Training", "Generator updates.")
    batch_size: int = field(64, "Training", "Images in a batch, over all replicas.")
    n_dis: int = field(1, "Training", "Discriminator updates before each generator update.")
    generator_batch_multiple: int = field(
        1, "Training", "Images in a generator update, in batch sizes."
    )
    learning_rate: float = field(
        2e-4, "Training", "Adam's, of both networks, at the start; it falls linearly to 0."
    )
    beta1: float = field(0.0, "Training", "Adam's weight of the old first moment.")
    beta2: float = field(0.9, "Training", "Adam's weight of the old second moment.")
    ema_decay: float = field(
        0.0,
        "Training",
        "Weight of the old value in the average of the generator's weights that samples are "
        "taken with, in [0, 1); 0: the weights themselves.",
    )
    seed: int = field(0, "Training", "Of initial weights, data order and latents.")

    features: str = field(
        "tfgan_inception",
        "Evaluation",
        "Network for the Fréchet distance: digits, tfgan_inception, or the directory of a "
        "SavedModel (images (n, h, w, 3) in [0, 255] to features).",
    )
    eval_samples: int = field(
        10_000, "Evaluation", "Samples, and images of the test split as far as it has them."
    )

    strategy: str = field(
        "default", "Run", "tf.distribute: one device, all of this machine, or TF_CONFIG's machines."
    )
    log_every: int = field(100, "Run", "Steps from one line of losses to the next.")
    eval_every: int = field(10_000, "Run", "Steps from one evaluation and sample grid to the next.")
    checkpoint_every: int = field(1_000, "Run", "Steps from one checkpoint to the next.")
    deterministic: bool = field(
        False, "Run", "Whether to allow only operations that give the same bits each time; slower."
    )

    def __post_init__(self):
        for name in _POSITIVE:
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        if not self.learning_rate > 0:
            raise ValueError(
                f"`learning_rate` must be positive. Received: learning_rate={self.learning_rate}"
            )
        for name in ("beta1", "beta2", "ema_decay"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={value}")
        if not self.gradient_penalty_weight >= 0:
            raise ValueError(
                "`gradient_penalty_weight` must not be negative. "
                f"Received: gradient_penalty_weight={self.gradient_penalty_weight}"
            )
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"`seed` must be in [0, 2^31). Received: seed={self.seed}")
        if self.eval_samples < 2:
            raise ValueError(
                "`eval_samples` must be at least 2, for a covariance. "
                f"Received: eval_samples={self.eval_samples}"
            )


_POSITIVE = (
    "steps",
    "batch_size",
    "n_dis",
    "coloring_rank",
    "generator_batch_multiple",
    "log_every",
    "eval_every",
    "checkpoint_every",
)

# What may differ between two starts of the same run.
FREE = ("data_dir", "log_every", "eval_every", "checkpoint_every")

# Section C.2.2: 100 epochs of 1,000 steps, coloring, group sizes as the authors' scripts have them.
_LARGE_DCGAN = Config(
    arch="large_dcgan",
    generator_filters=512,
    discriminator_filters=512,
    recovery="coloring",
)
_LARGE_RESNET = Config(
    arch="resnet",
    generator_filters=256,
    discriminator_filters=128,
    recovery="coloring",
    iterations=7,
    n_dis=5,
    generator_batch_multiple=2,
    steps=50_000,
)
_LARGE_NORMS = {
    "bn": {"norm": "bn"},
    "cd": {"norm": "cd"},
    "zca": {"norm": "zca", "group_size": 64},
    "itn": {"norm": "itn"},
}

PRESETS = {
    # Ours: a GAN of the paper's kind that two CPU cores train in minutes.
    "quickstart": Config(
        dataset="digits",
        generator_filters=32,
        discriminator_filters=32,  # more learn 1,437 images by heart
        batch_size=32,
        steps=4000,
        learning_rate=1e-3,
        beta1=0.5,
        beta2=0.999,
        features="digits",
        log_every=100,
        eval_every=1000,
        checkpoint_every=500,
    ),
    # Table VII at a setting of Table II.
    "cifar10_dcgan": Config(),
    "mnist_dcgan": Config(dataset="mnist", image_size=28),
    # Section C.2.2: tables VIII and IX.
    **{
        f"large_dcgan_{norm}": dataclasses.replace(_LARGE_DCGAN, **whitening)
        for norm, whitening in _LARGE_NORMS.items()
    },
    **{
        f"large_resnet_{norm}": dataclasses.replace(_LARGE_RESNET, **whitening)
        for norm, whitening in _LARGE_NORMS.items()
    },
    # Conditional: cWC, and its factorised form.
    "cifar10_resnet_cwc": dataclasses.replace(
        _LARGE_RESNET, norm="zca", group_size=64, conditional="projection"
    ),
    "cifar10_resnet_cwc_sa": dataclasses.replace(
        _LARGE_RESNET,
        norm="zca",
        group_size=64,
        conditional="projection",
        recovery="factorized_coloring",
    ),
}
