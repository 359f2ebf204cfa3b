"""The configuration of a GAN's run."""

import dataclasses

from harness.config import (
    CHANNELS,
    COUNT,
    NOT_NEGATIVE,
    PIXELS,
    SHARE_BELOW_1,
    TIMES,
    Data,
    Normalization,
    Run,
    again,
    between,
    option,
)
from harness.norm_names import norms
from harness.tables import Table

# What the network is called whose Fréchet distance is the FID.
INCEPTION = "tfgan_inception"

# A covariance is of 2 samples or more.
_SAMPLES = between(2, 100_000_000)


@dataclasses.dataclass(frozen=True)
class Config(Run, Normalization, Data):
    """What determines a run. The defaults are the supplement's stability experiments."""

    stream: bool = option(
        False,
        "Data",
        "Whether images are read and decoded one by one, for more than fit in memory; the results "
        "are the same where all have --image_size, which it needs. For folders and prepared "
        "datasets.",
    )
    test_split: str | None = option(
        None,
        "Data",
        "Split of the dataset that samples are measured against; none: test, else validation, "
        "else, where there is neither, the training images.",
    )
    image_size: int = again(
        Data,
        "image_size",
        32,
        "Height and width, in pixels, that images are resized to and generated at.",
    )

    arch: str = option(
        "dcgan",
        "Networks",
        "Architecture of the two networks.",
        choices=Table("gan.networks", "ARCHITECTURES"),
    )
    variant: str = option(
        "paper",
        "Networks",
        "The network as the paper prints it, or as its authors released it.",
        choices=Table("gan.networks.arguments", "VARIANTS"),
    )
    generator_filters: int = option(
        256,
        "Networks",
        "Channels of the generator after its first deconvolution or block, where it is widest.",
        check=CHANNELS,
    )
    discriminator_filters: int = option(
        256,
        "Networks",
        "Channels of the discriminator's last convolution or block, where it is widest.",
        check=CHANNELS,
    )
    conditional: str = option(
        "none",
        "Networks",
        "How the networks know of the images' classes: none, not at all; projection, in the "
        "discriminator's last layer; acgan, by a classifier beside it.",
        choices=Table("gan.networks.heads", "HEADS"),
    )
    discriminator_norm: str = option(
        "none",
        "Networks",
        "As --norm, which is the generator's, of the discriminator; scale and shift follow.",
        choices=norms,
    )
    discriminator_spectral: bool = option(
        True,
        "Networks",
        "Whether the discriminator's kernels are divided by their largest singular value.",
    )
    generator_spectral: bool = option(
        False,
        "Networks",
        "Whether the generator's kernels are, too, but for those of deconvolutions.",
    )

    norm: str = again(Normalization, "norm", "itn")
    coloring_rank: int = option(
        4,
        "Normalization",
        "Matrices that the classes share, each mixing its own of them, for "
        "--recovery=factorized_coloring.",
        check=CHANNELS,
    )

    loss: str = option(
        "hinge",
        "Training",
        "What generator and discriminator are trained by, against each other.",
        choices=Table("gan.losses", "LOSSES"),
    )
    gradient_penalty: str = option(
        "none",
        "Training",
        "Where the discriminator's gradient is held to length 1: none, nowhere; wgan_gp, between "
        "real and generated images; dragan, around real ones.",
        choices=Table("gan.penalties", "PENALTIES"),
    )
    gradient_penalty_weight: float = option(
        10.0,
        "Training",
        "What the penalty of --gradient_penalty is multiplied by in the loss.",
        check=NOT_NEGATIVE,
    )
    steps: int = again(Run, "steps", 100_000, "Updates of the generator.")
    batch_size: int = again(Run, "batch_size", 64)
    n_dis: int = option(
        1, "Training", "Updates of the discriminator before each of the generator.", check=TIMES
    )
    generator_batch_multiple: int = option(
        1,
        "Training",
        "Images in an update of the generator, as a multiple of --batch_size.",
        check=TIMES,
    )
    learning_rate: float = again(
        Run,
        "learning_rate",
        2e-4,
        "Learning rate of both networks' Adam, at the start; it falls linearly to 0.",
    )
    beta1: float = option(
        0.0,
        "Training",
        "Adam's weight of the old average of gradients (its momentum).",
        check=SHARE_BELOW_1,
    )
    beta2: float = option(
        0.9,
        "Training",
        "Adam's weight of the old average of squared gradients.",
        check=SHARE_BELOW_1,
    )
    ema_decay: float = option(
        0.0,
        "Training",
        "Weight of the old value in a moving average of the generator's weights, which samples "
        "are then taken with; 0: they are taken with the weights themselves.",
        check=SHARE_BELOW_1,
    )
    seed: int = again(
        Run, "seed", 0, "Number that initial weights, data order and latents follow from."
    )

    features: str = option(
        INCEPTION,
        "Evaluation",
        "Network whose features of images the Fréchet distance compares: digits, small and "
        "here; tfgan_inception, whose distance is the FID; or a SavedModel's directory or .keras "
        "file, from images to features (n, d), see docs/features.md. A SavedModel can write files: "
        "see SECURITY.md.",
        free=True,  # A run knows the network by its fingerprint.
    )
    feature_size: int | None = option(
        None,
        "Evaluation",
        "Height and width in pixels that images are resized to for a feature network of one's own, "
        "bilinearly and antialiased; none: as the network tells, or not at all.",
        check=PIXELS,
    )
    feature_range: str | None = option(
        None,
        "Evaluation",
        "Range of the images that it takes; none: as it tells, 0:255 where it has an output named "
        "`features`.",
        choices=Table("gan.metrics.network_inputs", "RANGES"),
    )
    feature_layout: str | None = option(
        None,
        "Evaluation",
        "Where the channels of the images are that it takes; none: as it tells.",
        choices=Table("gan.metrics.network_inputs", "LAYOUTS"),
    )
    eval_samples: int = option(
        10_000,
        "Evaluation",
        "Samples in an evaluation, and images of the test split, a random subset, as far as it has "
        "them.",
        check=_SAMPLES,
    )
    score_samples: int | None = option(
        None,
        "Evaluation",
        "Samples that the Inception Score is of, of which published ones have 50,000; none: "
        "as --eval_samples.",
        check=COUNT,
    )
    sample_labels: str | None = option(
        None,
        "Evaluation",
        "Classes of the samples of a conditional generator that are measured; data: as often as in "
        "the training images; none: all as often.",
        choices=("data",),
    )
    eval_every: int = again(
        Run, "eval_every", 10_000, "Steps from one evaluation and sample grid to the next."
    )
