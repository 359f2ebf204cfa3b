"""Times of layers against each other: `python -m tfnorm.benchmark`."""
