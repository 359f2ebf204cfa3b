"""Normalization as Keras layers."""

from tfnorm.layers.batch_whitening import BatchWhitening
from tfnorm.layers.center_scale import CenterScale
from tfnorm.layers.coloring import Coloring
from tfnorm.layers.conditional import ConditionalCenterScale, ConditionalColoring
from tfnorm.layers.covariance_pooling import CovariancePooling
from tfnorm.layers.factorized_coloring import FactorizedColoring
from tfnorm.layers.group_whitening import GroupWhitening
from tfnorm.layers.spectral_normalization import SpectralNormalization
from tfnorm.layers.unit_interval import UnitInterval
from tfnorm.layers.unitization import Unitization

__all__ = [
    "BatchWhitening",
    "CenterScale",
    "Coloring",
    "ConditionalCenterScale",
    "ConditionalColoring",
    "CovariancePooling",
    "FactorizedColoring",
    "GroupWhitening",
    "SpectralNormalization",
    "UnitInterval",
    "Unitization",
]
