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
    Needs,
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
# Fields that say which network of features it is, and what that takes.
FEATURES = ("features", "feature_size", "feature_range", "feature_layout")

# A covariance is of 2 samples or more.
_SAMPLES = between(2, 100_000_000)


@dataclasses.dataclass(frozen=True)
class Config(Run, Normalization, Data):
    """What determines a run. The defaults are the supplement's stability experiments."""

    # What a flag does nothing without.
    NEEDS = (
        Needs("coloring_rank", ("recovery",), lambda: ("factorized_coloring",)),
        Needs("gradient_penalty_weight", ("gradient_penalty",), lambda: ("wgan_gp", "dragan")),
        Needs("sample_labels", ("conditional",), lambda: ("projection", "acgan"), neutral=(None,)),
    )
    NORMS = ("norm", "discriminator_norm")

    stream: bool = option(
        False,
        "Data",
        "Whether images are read from the disk as they are needed, when there are more than fit in "
        "memory. The results are the same if all images already have --image_size, which must be "
        "given. For folders, zips and prepared datasets.",
    )
    test_split: str | None = option(
        None,
        "Data",
        "Split of the dataset, as test, that samples are compared with; none: test, or validation "
        "if there is no test, or the training images if there is neither.",
    )
    image_size: int = again(
        Data,
        "image_size",
        32,
        "Height and width, in pixels, that images are resized to and generated at. There are "
        "networks of 28, 32, 48, 64, 96, 128 and 256.",
    )

    arch: str = option(
        "dcgan",
        "Networks",
        "Architecture of the generator and of the discriminator.",
        choices=Table("gan.networks", "ARCHITECTURES"),
    )
    variant: str = option(
        "paper",
        "Networks",
        "Whether the networks are as the paper prints them (paper), or as its authors' code builds "
        "them (released).",
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
        "How the networks use the images' classes: none, not at all; projection, the discriminator "
        "compares an image with its class in the last layer; acgan, a second output of the "
        "discriminator tells the class.",
        choices=Table("gan.networks.heads", "HEADS"),
    )
    discriminator_norm: str = option(
        "none",
        "Networks",
        "Normalization of the discriminator, a name as for --norm (which is the generator's); a "
        "scale and a shift follow it.",
        choices=norms,
    )
    discriminator_spectral: bool = option(
        True,
        "Networks",
        "Whether each kernel of the discriminator is divided by its largest singular value "
        "(spectral normalization), so that it cannot become too steep.",
    )
    generator_spectral: bool = option(
        False,
        "Networks",
        "Whether spectral normalization is used in the generator too, but for its deconvolutions.",
    )

    norm: str = again(Normalization, "norm", "itn")
    coloring_rank: int = option(
        4,
        "Normalization",
        "For --recovery=factorized_coloring: how many matrices there are, of which each class "
        "learns a mixture of its own. More let the classes differ more, and cost more.",
        check=CHANNELS,
    )

    loss: str = option(
        "hinge",
        "Training",
        "What the two networks are trained by: hinge; non_saturating, the original GAN's; "
        "least_squares, of distances to 0 and 1; wasserstein, the difference between the "
        "discriminator's means.",
        choices=Table("gan.losses", "LOSSES"),
    )
    gradient_penalty: str = option(
        "none",
        "Training",
        "Term in the discriminator's loss that holds its gradient at length 1: none; wgan_gp, at "
        "points between real and generated images; dragan, at points around real images.",
        choices=Table("gan.penalties", "PENALTIES"),
    )
    gradient_penalty_weight: float = option(
        10.0,
        "Training",
        "How much the --gradient_penalty counts: it is multiplied by this before it is added to "
        "the discriminator's loss. 10 is usual.",
        check=NOT_NEGATIVE,
    )
    steps: int = again(Run, "steps", 100_000, "How many updates the generator gets.")
    batch_size: int = again(Run, "batch_size", 64)
    n_dis: int = option(
        1,
        "Training",
        "How many updates the discriminator gets before each one of the generator; 1 to 5 is "
        "usual.",
        check=TIMES,
    )
    generator_batch_multiple: int = option(
        1,
        "Training",
        "How many times --batch_size images are generated for an update of the generator; 1 or 2 "
        "is usual.",
        check=TIMES,
    )
    learning_rate: float = again(
        Run,
        "learning_rate",
        2e-4,
        "Learning rate of Adam, for both networks, at the start; it falls linearly to 0.",
    )
    beta1: float = option(
        0.0,
        "Training",
        "Adam's beta1, for both networks: how much of the old average of gradients is kept at each "
        "step (its momentum). 0 or 0.5 is usual for GANs.",
        check=SHARE_BELOW_1,
    )
    beta2: float = option(
        0.9,
        "Training",
        "Adam's beta2, for both networks: how much of the old average of squared gradients is kept "
        "at each step. 0.9 or 0.999 is usual.",
        check=SHARE_BELOW_1,
    )
    ema_decay: float = option(
        0.0,
        "Training",
        "Takes samples with a moving average of the generator's weights, of which this much of the "
        "old value is kept at each step, as 0.999; 0: with the weights themselves.",
        check=SHARE_BELOW_1,
    )
    seed: int = again(
        Run,
        "seed",
        0,
        "Number that all chance follows from: initial weights, order of the data, latents. "
        "Another seed is another try of the same.",
    )

    features: str = option(
        INCEPTION,
        "Evaluation",
        "Network whose features of images are compared, for the Fréchet distance and other "
        "metrics: digits, a small one that comes with the program; tfgan_inception, with which the "
        "distance is the FID; or your own, a SavedModel's directory or a .keras file, from images "
        "to features (n, d), see docs/features.md. A SavedModel can write files: see SECURITY.md.",
        free=True,  # A run knows the network by its fingerprint.
    )
    feature_size: int | None = option(
        None,
        "Evaluation",
        "For a feature network of your own: height and width in pixels that images are resized to "
        "for it, bilinearly and antialiased; none: what the network says, and where it says "
        "nothing they are not resized.",
        check=PIXELS,
    )
    feature_range: str | None = option(
        None,
        "Evaluation",
        "For a feature network of your own: what range of pixel values it takes; none: what the "
        "network says, which is 0:255 where it has an output named `features`.",
        choices=Table("gan.metrics.network_inputs", "RANGES"),
    )
    feature_layout: str | None = option(
        None,
        "Evaluation",
        "For a feature network of your own: whether an image's channels are its last or its first "
        "axis; none: what the network says, else the last.",
        choices=Table("gan.metrics.network_inputs", "LAYOUTS"),
    )
    eval_samples: int = option(
        10_000,
        "Evaluation",
        "How many samples are generated for an evaluation, and how many images of the test split, "
        "a random subset, they are compared with, if it has so many. 10,000 is usual; of fewer the "
        "distance is greater.",
        check=_SAMPLES,
    )
    score_samples: int | None = option(
        None,
        "Evaluation",
        "How many samples the Inception Score is computed of; published scores are of 50,000. "
        "none: as many as --eval_samples.",
        check=COUNT,
    )
    sample_labels: str | None = option(
        None,
        "Evaluation",
        "For a conditional generator: of which classes the measured samples are; data, in the "
        "shares of the training images; none, each class as often.",
        choices=("data",),
    )
    eval_every: int = again(
        Run, "eval_every", 10_000, "Steps between two evaluations, each with a grid of samples."
    )
