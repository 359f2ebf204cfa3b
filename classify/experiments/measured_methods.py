"""Measures the disturbance of methods, and how white their outputs are."""

import numpy as np

from classify.experiments.disturbed_methods import concerned
from tfnorm.analysis.conditioning import conditioning
from tfnorm.analysis.stochasticity import disturbance


def measure(config):
    """Rows of the swept value, the norm, its disturbance, and the whiteness of a mini-batch.

    The data are independent standard Gaussians, which are white: what is left to whiten is the
    mini-batch's own deviation, and the axes of PCA, whose eigenvalues are alike, are arbitrary.
    """
    rows, level = [], {}
    for value, sizes in config.points().items():
        rng = np.random.default_rng(config.seed)
        data = rng.standard_normal((config.count, sizes["dimension"]), np.float32)
        for norm in config.norms.split(","):
            if norm not in level or concerned(config.over, norm):
                level[norm] = _measured(config, norm, data, sizes)
                print(f"{config.over} {value}, {norm}: {level[norm]}")
            rows.append({"value": value, "norm": norm, **level[norm]})
    return rows


def _measured(config, norm, data, sizes):
    normalize, size = config.normalize(norm, sizes), sizes["batch_size"]
    value = disturbance(
        normalize,
        data,
        size,
        samples=config.samples,
        batches=config.batches,
        normalizer=config.normalizer,
        seed=config.seed,
    )
    groups = None if norm == "bn" else sizes["group_size"]
    return {"disturbance": finite(value), **whiteness(normalize(data[:size]), groups)}


def whiteness(rows, group_size):
    """How white an output (n, ..., channels) is, in numbers that JSON has: None is not finite.

    Returns:
        dict of `condition_number` and `deviation` of the worst group of channels, see
        `conditioning`, and `overall`, the condition number of all channels together.
    """
    rows = np.asarray(rows)
    if not np.isfinite(rows).all():
        return dict.fromkeys(["condition_number", "deviation", "overall"])
    groups = conditioning(rows, group_size)
    (whole,) = conditioning(rows)
    return {
        "condition_number": finite(max(group.condition_number for group in groups)),
        "deviation": max(group.deviation for group in groups),
        "overall": finite(whole.condition_number),
    }


def finite(number):
    """The number, or None if it is not finite."""
    return number if np.isfinite(number) else None
