"""Normalization as Keras layers."""

from tfnorm.layers.batch_whitening import BatchWhitening
from tfnorm.layers.coloring import CenterScale, Coloring
from tfnorm.layers.conditional import (
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
)
from tfnorm.layers.spectral_normalization import SpectralNormalization
from tfnorm.layers.unitization import Unitization

__all__ = [
    "BatchWhitening",
    "CenterScale",
    "Coloring",
    "ConditionalCenterScale",
    "ConditionalColoring",
    "FactorizedColoring",
    "SpectralNormalization",
    "Unitization",
]
