"""Normalization as functions of tensors: TensorFlow only, no state, no training flag."""

from tfnorm.functional.batch_unitization import apply_unitization, batch_unitization
from tfnorm.functional.batch_whitening import apply_whitening, batch_whitening, moving_matrices
from tfnorm.functional.group_whitening import group_whitening
from tfnorm.functional.matrix_roots import cholesky_whitening, inverse_sqrt, sqrt
from tfnorm.functional.spectral import spectral_norm
from tfnorm.functional.unitization import (
    practical_unitization,
    scalar_unitization,
    vanilla_unitization,
    vector_unitization,
)
from tfnorm.functional.whitening import ESTIMATES, WHITENERS, Whitener, whitening_matrix

__all__ = [
    "ESTIMATES",
    "WHITENERS",
    "Whitener",
    "apply_unitization",
    "apply_whitening",
    "batch_unitization",
    "batch_whitening",
    "cholesky_whitening",
    "group_whitening",
    "inverse_sqrt",
    "moving_matrices",
    "practical_unitization",
    "scalar_unitization",
    "spectral_norm",
    "sqrt",
    "vanilla_unitization",
    "vector_unitization",
    "whitening_matrix",
]
