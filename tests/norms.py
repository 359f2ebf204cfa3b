"""Factories of normalizations in a line."""

from harness import norms
from harness.config import Normalization


def norm_factory(
    norm,
    recovery="scale_shift",
    *,
    groups=None,
    num_classes=None,
    rank=10,
    spectral=False,
    **fields,
):
    """`harness.norms.norm_factory` of a `Normalization` with these fields."""
    return norms.norm_factory(
        Normalization(norm, recovery, **fields),
        groups=groups,
        num_classes=num_classes,
        rank=rank,
        spectral=spectral,
    )
