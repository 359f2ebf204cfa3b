"""The configurations of runs that have a name: the settings of the papers' tables, and ours."""

import dataclasses

from gan.config import Config

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
