"""Folding: a trained model to the same function without normalization layers."""

from tfnorm.folding.model import fold_normalization

__all__ = ["fold_normalization"]
