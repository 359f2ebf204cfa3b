"""Normalization layers for Keras 3 on TensorFlow: batch whitening and unitization."""

from tfnorm import functional
from tfnorm.layers import (
    BatchWhitening,
    CenterScale,
    Coloring,
    SpectralNormalization,
    Unitization,
)

__version__ = "0.1.0"

__all__ = [
    "BatchWhitening",
    "CenterScale",
    "Coloring",
    "SpectralNormalization",
    "Unitization",
    "functional",
]
