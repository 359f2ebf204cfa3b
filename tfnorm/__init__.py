"""Normalization layers for Keras 3 on TensorFlow: batch whitening and unitization."""

from tfnorm import functional
from tfnorm.conversion import replace_batch_normalization
from tfnorm.folding import fold_normalization
from tfnorm.layers import (
    BatchWhitening,
    CenterScale,
    Coloring,
    ConditionalCenterScale,
    ConditionalColoring,
    FactorizedColoring,
    SpectralNormalization,
    UnitInterval,
    Unitization,
)

__version__ = "0.1.0"

__all__ = [
    "BatchWhitening",
    "CenterScale",
    "Coloring",
    "ConditionalCenterScale",
    "ConditionalColoring",
    "FactorizedColoring",
    "SpectralNormalization",
    "UnitInterval",
    "Unitization",
    "fold_normalization",
    "functional",
    "replace_batch_normalization",
]
