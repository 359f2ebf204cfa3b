"""What is done to data before a model, by statistics of all of them."""

from tfnorm.preprocessing.whitening import Whitening

__all__ = ["Whitening"]
