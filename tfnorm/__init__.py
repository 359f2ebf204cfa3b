"""Normalization layers for Keras 3 on TensorFlow, where BatchNormalization stands.

    model.add(tfnorm.BatchWhitening())  # was keras.layers.BatchNormalization()

* `BatchWhitening` decorrelates a layer's channels over the batch, `Unitization` scales each sample
  by its norm: the methods of two CVPR 2020 papers, https://arxiv.org/abs/2003.12327 and Huang and
  Yu, "An Internal Covariate Shift Bounding Algorithm for Deep Neural Networks by Unitizing Layers'
  Outputs".
* `GroupWhitening` decorrelates groups of channels within each sample, for batches of any size.
* `Coloring`, `CenterScale` and their forms for classes recover what a normalization took away;
  `SpectralNormalization` divides a layer's kernel by its largest singular value.
* `CovariancePooling` pools positions to the root of a covariance, in the place of a mean.
* `Whitening` decorrelates data before a model, by statistics that it was adapted to.
* `replace_batch_normalization` puts other layers in the place of a model's BatchNormalization, and
  `fold_normalization` makes the same function without normalization layers. `select_domain` makes
  of a model with statistics by domain that of one domain, and `adapt_statistics` takes the moving
  statistics anew from other data.
* `tfnorm.functional` is the arithmetic: tensors in, tensors out. `tfnorm.analysis` measures what a
  normalization does to a model, `python -m tfnorm.benchmark` what it costs.
"""

from tfnorm import functional
from tfnorm.adaptation import adapt_statistics
from tfnorm.backend import check_backend
from tfnorm.conversion import replace_batch_normalization
from tfnorm.domains import select_domain
from tfnorm.folding import fold_normalization
from tfnorm.layers import (
    BatchWhitening,
    CenterScale,
    Coloring,
    ConditionalCenterScale,
    ConditionalColoring,
    CovariancePooling,
    FactorizedColoring,
    GroupWhitening,
    SpectralNormalization,
    UnitInterval,
    Unitization,
)
from tfnorm.preprocessing import Whitening

__version__ = "0.2.0"

check_backend()

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
    "Whitening",
    "adapt_statistics",
    "fold_normalization",
    "functional",
    "replace_batch_normalization",
    "select_domain",
]
