"""For every flag of every program what it refuses, and the rule that it tells."""

LONG = "9" * 23
WORDS = ("", "many", "ünïcödé", "nan", "None")
WHOLE = (*WORDS, "1.5", "inf", "1e300", LONG, "-1")
NUMBER = ("", "fast", "ünïcödé", "nan", "inf", "-inf", "1e300", "-1", "1,5")
TRUTH = ("", "maybe", "2", "ünïcödé", LONG)
NAME = ("", "ünïcödé", "nan", LONG)
NORMS = "none, bn, gn, gw, ln, unitization, pca, zca, cd, itn"
# Of texts with commas.
LIST = ("", ",", "a,,b")


def whole(most, least=1, more=()):
    """A row of whole numbers."""
    return (*WHOLE, *map(str, (least - 1, most + 1)), *more), (
        f"a whole number, from {least} to {most:,}"
    )


def number(rule, *more):
    return (*NUMBER, *more), f"a number, {rule}"


COUNT = whole(10**9)
CHANNELS = whole(16_384, more=[str(2**31)])
TRUE_OR_FALSE = TRUTH, "true or false"
TEXT = ("", "x" * 256, "ü" * 128, "a/" * 2048), "a name or a path, with 1 to 255 bytes"
WEIGHT = number("from 0 to 3e+38", "4e38")
RATE = number("from 1e-37 to 3e+38", "0", "1e-50")
SHARE = number("at least 0 and below 1", "1")


def one_of(names):
    return NAME, f"one of {names}"


# The fields of configurations.
FIELDS = {
    "alpha_constraint": one_of("unit_interval, or none"),
    "arch": one_of("dcgan, large_dcgan, resnet"),
    "augmentation": one_of("none, shift_flip, crop_flip, resized_crop_flip"),
    "batch_size": whole(10**6),
    "beta1": SHARE,
    "beta2": SHARE,
    "checkpoint_every": COUNT,
    "coloring_rank": CHANNELS,
    "conditional": one_of("none, projection, acgan"),
    "data_dir": TEXT,
    "dataset": TEXT,
    "decay_at": (("", "x", "0.5,0.2", "1", "nan", "1/0", "60,120"), "ascending shares of the run"),
    "decay_rate": RATE,
    "decayed": one_of("kernels, all"),
    "depth": whole(2_000, more=["100000"]),
    "deterministic": TRUE_OR_FALSE,
    "device": one_of("cpu, gpu, or none"),
    "discriminator_filters": CHANNELS,
    "discriminator_norm": one_of(NORMS),
    "discriminator_spectral": TRUE_OR_FALSE,
    "ema_decay": SHARE,
    "epochs": number("from 1e-06 to 1e+06", "0"),
    "epsilon": WEIGHT,
    "eval_every": COUNT,
    "eval_samples": whole(10**8, least=2),
    "estimate": one_of("covariance, matrix"),
    "feature_layout": one_of("channels_last, channels_first, or none"),
    "feature_range": one_of("0:255, 0:1"),
    "feature_size": whole(8_192),
    "features": TEXT,
    "fold": TRUE_OR_FALSE,
    "generator_batch_multiple": whole(1_000),
    "generator_filters": CHANNELS,
    "generator_spectral": TRUE_OR_FALSE,
    "freeze": (LIST, "names with commas"),
    "init_from": TEXT,
    "gradient_penalty": one_of("none, wgan_gp, dragan"),
    "gradient_penalty_weight": WEIGHT,
    "group_size": CHANNELS,
    "groups": CHANNELS,
    "image_size": whole(8_192),
    "input_scaling": one_of("symmetric, pixel_variance, pixel_std, channel_std, imagenet"),
    "iterations": whole(100, more=["1000000"]),
    "keep_checkpoints": COUNT,
    "learning_rate": RATE,
    "log_every": COUNT,
    "loss": one_of("hinge, non_saturating, least_squares, wasserstein"),
    "model": one_of("mlp, resnet_cifar, resnet_imagenet, vgg"),
    "n_dis": whole(1_000),
    "nesterov": TRUE_OR_FALSE,
    "norm": one_of(NORMS),
    "norm_momentum": number("from 0 to 1", "1.1"),
    "recovery": one_of("none, scale_shift, coloring"),
    "sample_labels": one_of("data, or none"),
    "score_samples": COUNT,
    "schedule": one_of("steps, cosine, constant"),
    "seed": whole(2**31 - 1, least=0),
    "sgd_momentum": SHARE,
    "shift_estimators": (("", "ünïcödé", "clipped,", "exact,nan"), "of clipped, penalized, sliced"),
    "shift_every": COUNT,
    "shift_layers": (LIST, "names with commas"),
    "shift_rate": RATE,
    "shift_samples": whole(10**9, least=2),
    "shift_steps": COUNT,
    "steps": COUNT,
    "stream": TRUE_OR_FALSE,
    "strategy": one_of("default, mirrored"),
    "synchronized": TRUE_OR_FALSE,
    "test_split": TEXT,
    "train_size": COUNT,
    "variant": (NAME, "one of "),
    "weight_decay": WEIGHT,
    "width": CHANNELS,
    "worker_timeout": number("from 1 to 1,000,000", "0", "1e7"),
}
# The flags of all experiments.
EXPERIMENT = {
    "name": (NAME, "one of "),
    "out": TEXT,
    "scale": one_of("paper, small"),
    "norms": (("", "bn,", "ünïcödé", f"zca-{LONG}", "zca-0", "bn-3"), ""),
    "estimates": (LIST, "names with commas"),
    "archs": (LIST, "names with commas"),
    "rounds": whole(10**6),
    "shard": (("", "0/3", "4/3", "1", "a/b", f"1/{LONG}", "-1/3", "٣/٣"), "i/n, from 1/n to n/n"),
    "dry_run": TRUE_OR_FALSE,
}
# By program the rows that only it has, or that differ.
OWN = {
    "gan.train": {
        "preset": (NAME, "one of quickstart, cifar10_dcgan"),
        "run_dir": TEXT,
        "dry_run": TRUE_OR_FALSE,
        "variant": one_of("paper, released"),
        "recovery": one_of("none, scale_shift, coloring, factorized_coloring"),
    },
    "classify.train": {
        "preset": (NAME, "one of the 122 that --help lists"),
        "run_dir": TEXT,
        "dry_run": TRUE_OR_FALSE,
        "variant": one_of("plain, linear, bottleneck, arc_a"),
    },
    "gan.evaluate": {
        "trust_config": TRUE_OR_FALSE,
        "run_dir": TEXT,
        "generated": TEXT,
        "reference": TEXT,
        "out": TEXT,
        "num_classes": whole(10**6),
        "npz": one_of("statistics, images"),
        "save_statistics": TEXT,
        "metrics": (("", "fid", "ünïcödé", "precision_recall,"), "of frechet_distance,inception"),
        "feature_rows": whole(10**6, least=0),
    },
    "classify.evaluate": {
        "run_dir": TEXT,
        "saved_model": TEXT,
        "out": TEXT,
        "which": one_of("last, folded, best"),
        "resized_crop": TRUE_OR_FALSE,
    },
    "gan.sample": {
        "trust_config": TRUE_OR_FALSE,
        "run_dir": TEXT,
        "generator": TEXT,
        "out": TEXT,
        "what": (("", "photo", "grid,", "ünïcödé"), "of "),
        "count": whole(10**7),
        "rows": whole(1_000),
        "columns": whole(1_000, least=2),
        "classes": (("", "1,", "x", "-1", "1.5", LONG, "nan"), "numbers from 0 on, with commas"),
        "num_classes": whole(10**6),
        "training": TEXT,
    },
    "gan.train_features": {"out": TEXT},
    "gan.experiment": EXPERIMENT
    | {
        "loss": one_of("hinge, non_saturating"),
        "recoveries": (LIST, "names with commas"),
        "settings": (LIST, "names with commas"),
        "seeds": whole(1_000),
        "task": one_of("mnist, cifar10"),
        "norms": (("", "bn,", "ünïcödé", f"zca-{LONG}", "zca-0", "bn-3"), "a norm, or one in"),
    },
    "classify.experiment": EXPERIMENT
    | {
        "norms": (LIST, "names with commas"),
        "repeated": (LIST, "names with commas"),
        "seeds": whole(1_000),
        "task": one_of(""),
        "widths": (("", "64,", "x", "1.5", LONG, "0", "-1"), "whole numbers from 1 to 16,384"),
        "batch_sizes": (
            ("", "64,", "x", "1.5", LONG, "0", "-1"),
            "whole numbers from 1 to 1,000,000",
        ),
        "rates": (("", "1,", "x", "nan", "inf", "0", "1e300"), "numbers from 1e-37 to 3e+38"),
        "datasets": (LIST, "names with commas"),
        "schedules": (LIST, "names with commas"),
        "run_dir": TEXT,
        "sweeps": (LIST, "names with commas"),
        "normalizer": one_of("sqrt, dimension, or none"),
        "samples": whole(10**6),
        "batches": whole(10**6),
    },
    "tfnorm.benchmark": {
        "layers": (("", "bn", "ünïcödé", LONG), "of pca, zca, cd, itn"),
        "pairs": (("", "bn", "ünïcödé", LONG), "of covariance_pooling, group_whitening, whitening"),
        "kinds": (("", "backward", "ünïcödé", LONG), "of forward, forward_backward"),
        "shapes": (
            ("", "8", "8x", "0x8", "8x-1", "nanx8", f"{LONG}x8", "2x2x2x2x2x2", "99999x99999"),
            "of 2 to 5 whole numbers, as 64x8x8x256, whose product is at most 1,073,741,824",
        ),
        "group_sizes": (("", "0", "x", "1.5", LONG, "65537"), "a whole number from 1 to 65,536"),
        "rounds": (WHOLE, "a whole number from 1 to 1,000,000"),
        "out": (("",), "a directory that can be written to"),
    },
}
