"""Times of layers against TensorFlow's fused kernel: `python -m tfnorm.benchmark`."""
