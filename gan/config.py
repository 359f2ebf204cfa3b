"""The configuration of a GAN's run."""

import dataclasses

from harness.config import (
    NOT_NEGATIVE,
    SHARE_BELOW_1,
    Check,
    Data,
    Normalization,
    Run,
    again,
    at_least,
    option,
)
from harness.norm_names import norms
from harness.tables import Table

# What the network is called whose Fréchet distance is the FID.
INCEPTION = "tfgan_inception"

_FOR_A_COVARIANCE = Check("at least 2, for a covariance", lambda value: value >= 2)


@dataclasses.dataclass(frozen=True)
class Config(Run, Normalization, Data):
    """What determines a run. The defaults are the supplement's stability experiments."""

    test_split: str | None = option(
        None,
        "Data",
        "The split that samples are measured against; none: test, else validation, else, where "
        "there is neither, the training images.",
    )
    image_size: int = again(Data, "image_size", 32, "Height and width of images, in pixels.")

    arch: str = option(
        "dcgan",
        "Networks",
        "Architecture.",
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
        "The generator's width, after its first deconvolution or block.",
        check=at_least(1),
    )
    discriminator_filters: int = option(
        256,
        "Networks",
        "The discriminator's width, of its last convolution or block.",
        check=at_least(1),
    )
    conditional: str = option(
        "none",
        "Networks",
        "How the networks know of classes: projection, or acgan's classifier.",
        choices=Table("gan.networks.heads", "HEADS"),
    )
    discriminator_norm: str = option(
        "none",
        "Networks",
        "The discriminator's normalization, with scale and shift.",
        choices=norms,
    )
    discriminator_spectral: bool = option(
        True, "Networks", "Whether the discriminator's layers are spectrally normalised."
    )
    generator_spectral: bool = option(
        False, "Networks", "Whether the generator's are, but for deconvolutions."
    )

    norm: str = again(Normalization, "norm", "itn", "The generator's normalization.")
    coloring_rank: int = option(
        4,
        "Normalization",
        "Matrices that the classes of a factorized coloring mix.",
        check=at_least(1),
    )

    loss: str = option(
        "hinge",
        "Training",
        "Adversarial loss.",
        choices=Table("gan.losses", "LOSSES"),
    )
    gradient_penalty: str = option(
        "none",
        "Training",
        "Where the discriminator's gradient is held to length 1.",
        choices=Table("gan.penalties", "PENALTIES"),
    )
    gradient_penalty_weight: float = option(
        10.0, "Training", "Of the gradient penalty.", check=NOT_NEGATIVE
    )
    steps: int = again(Run, "steps", 100_000, "Generator updates.")
    batch_size: int = again(Run, "batch_size", 64)
    n_dis: int = option(
        1, "Training", "Discriminator updates before each generator update.", check=at_least(1)
    )
    generator_batch_multiple: int = option(
        1, "Training", "Images in a generator update, in batch sizes.", check=at_least(1)
    )
    learning_rate: float = again(
        Run,
        "learning_rate",
        2e-4,
        "Adam's, of both networks, at the start; it falls linearly to 0.",
    )
    beta1: float = option(
        0.0, "Training", "Adam's weight of the old first moment.", check=SHARE_BELOW_1
    )
    beta2: float = option(
        0.9, "Training", "Adam's weight of the old second moment.", check=SHARE_BELOW_1
    )
    ema_decay: float = option(
        0.0,
        "Training",
        "Weight of the old value in the average of the generator's weights that samples are "
        "taken with, in [0, 1); 0: the weights themselves.",
        check=SHARE_BELOW_1,
    )
    seed: int = again(Run, "seed", 0, "Of initial weights, data order and latents.")

    features: str = option(
        INCEPTION,
        "Evaluation",
        "Network for the Fréchet distance: digits, tfgan_inception, or a SavedModel's directory or "
        ".keras file, from images to features (n, d), see docs/features.md.",
        free=True,  # A run knows the network by its fingerprint.
    )
    feature_size: int | None = option(
        None,
        "Evaluation",
        "Height and width in pixels that images are resized to for a feature network of one's own, "
        "bilinearly and antialiased; none: as the network tells, or not at all.",
        check=at_least(1),
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
        "Samples, and images of the test split, a random subset, as far as it has them.",
        check=_FOR_A_COVARIANCE,
    )
    score_samples: int | None = option(
        None,
        "Evaluation",
        "Samples that the Inception Score is of, of which published ones have 50,000; none: "
        "eval_samples.",
        check=at_least(1),
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
